/**
 * `left`: the instance is leaving, `leaving <pid> <start time>` of the program that sees to it, or has left,
 * `<boot id> <boot-clock ms>`. Its watches stay in the agent until the next reload, so its handlers must know. Only a
 * guard that starts later undoes it: Consul runs it only when the service is registered anew. A leaver that died is no
 * leaver.
 */
import { bootClock, bootId } from '../base/clock.ts'
import { isAlive, parseProcess, processOf } from '../machine/identity.ts'
import { readFact, removeFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

/** Whether handlers are to keep their hands off. */
export function hasLeft(files: InstanceFiles): boolean {
  const text = readFact(files.left)
  return text !== null && !isInterrupted(text)
}

export function writeLeaving(files: InstanceFiles): void {
  writeFact(files.left, `leaving ${process.pid} ${processOf(process.pid)?.start}`)
}

function isInterrupted(text: string): boolean {
  if (!text.startsWith('leaving ')) return false
  const leaver = parseProcess(text.slice('leaving '.length))
  return leaver === null || !isAlive(leaver)
}

/**
 * @param started when this guard started, boot-clock ms
 * @returns whether the instance is on its way out, is out, or takes part
 */
export function staysOut(files: InstanceFiles, started: number): 'leaving' | 'left' | null {
  const text = readFact(files.left)
  if (text === null) return null
  if (text.startsWith('leaving ') && !isInterrupted(text)) return 'leaving'
  const [boot, at] = text.split(' ')
  // One that lies ahead was written before the clock began anew: see isAheadOfClock in state/lease.ts.
  if (boot === bootId() && Number(at) >= started && Number(at) <= bootClock()) return 'left'
  try {
    removeFact(files.left)
  } catch {
    // On a read-only disk it stays. The guard has more to do than this, and tries again.
  }
  return null
}
