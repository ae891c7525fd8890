/**
 * `left`: the instance is leaving, or has left. Its watches stay in the agent until the next reload, so its handlers
 * must know. Only a guard that starts later undoes it: Consul runs it only when the service is registered anew.
 */
import { bootId } from '../clock.ts'
import { readFact, removeFact } from './facts.ts'
import type { InstanceFiles } from './instance.ts'

/** Whether handlers are to keep their hands off. */
export function hasLeft(files: InstanceFiles): boolean {
  return readFact(files.left) !== null
}

/**
 * @param started when this guard started, boot-clock ms
 * @returns whether the instance is on its way out, is out, or takes part
 */
export function staysOut(files: InstanceFiles, started: number): 'leaving' | 'left' | null {
  const text = readFact(files.left)
  if (text === null || text === 'leaving') return text
  const [boot, at] = text.split(' ')
  if (boot === bootId() && Number(at) >= started) return 'left'
  removeFact(files.left)
  return null
}
