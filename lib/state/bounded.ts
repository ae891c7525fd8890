/**
 * Whether this machine bounds what definitions may say. Asked before each command of a definition is started; the rest
 * is loaded only where there are bounds.
 */
import { existsSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'

/** WATCHBILL_LIMITS in the agent's environment names another file, which must then be there. */
export function limitsFile(): string {
  return process.env.WATCHBILL_LIMITS || '/etc/watchbill/limits.json'
}

export function isBounded(): boolean {
  return Boolean(process.env.WATCHBILL_LIMITS) || existsSync(limitsFile())
}

/**
 * Why no command of this definition may be started now, in one line; null when they may.
 * @param directory of the instance, in the state directory
 */
export async function refusal(directory: string, definition: Definition): Promise<string | null> {
  if (!isBounded()) return null
  const { refusalOf } = await import('./allowed.ts')
  return refusalOf(directory, definition)
}
