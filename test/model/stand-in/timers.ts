/** node:timers/promises for the programs of the model. */
import { setTimeout as after } from './globals.ts'

export function setTimeout<T>(ms: number, value?: T): Promise<T | undefined> {
  return new Promise(resolve => after(resolve, ms, value))
}
