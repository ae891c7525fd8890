/**
 * The fact `left`: the instance is leaving, `leaving <pid> <start time>` of the program `leave`, or has left, `<boot
 * id> <boot-clock ms>`. The agent keeps the instance's watches until its next reload, so handlers must know that it has
 * left. Only a guard that starts later undoes it: Consul starts one only when the service is registered again. If
 * `leave` dies, the instance is not leaving any more.
 */
import { bootClock, bootId } from '../base/clock.ts'
import { isAlive, parseProcess, processOf } from '../machine/identity.ts'
import { readFact, removeFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

/** Whether handlers must do nothing. */
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
 * @returns whether the instance is leaving or has left; null when it takes part
 */
export function staysOut(files: InstanceFiles, started: number): 'leaving' | 'left' | null {
  const text = readFact(files.left)
  if (text === null) return null
  if (text.startsWith('leaving ') && !isInterrupted(text)) return 'leaving'
  const [boot, at] = text.split(' ')
  // A time ahead of the clock was written before the clock restarted: see isAheadOfClock in state/lease.ts.
  if (boot === bootId() && Number(at) >= started && Number(at) <= bootClock()) return 'left'
  try {
    removeFact(files.left)
  } catch {
    // On a read-only disk the fact stays. The guard has other work to do, and tries again.
  }
  return null
}
