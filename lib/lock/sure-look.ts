/**
 * A look at /proc that misses nobody. A process that forks a child and ends during a look is missed, and its child too: the
 * child was not there when the pids were listed. So an empty look counts only when nothing was forked meanwhile.
 */
import type { Process } from '../machine/identity.ts'
import { forksSoFar } from '../machine/marks.ts'

/** On a machine that forks all the time no look is sure. */
const mostLooks = 5

export interface Looked {
  readonly living: readonly Process[]
  /** Nobody was missed. */
  readonly sure: boolean
}

/** @param look finds the living processes; @param forks how many were ever forked on this machine */
export function lookSurely(look: () => readonly Process[], forks: () => number = forksSoFar): Looked {
  for (let looks = 1; ; looks++) {
    const before = forks()
    const living = look()
    const sure = living.length > 0 || forks() === before
    if (sure || looks === mostLooks) return { living, sure }
  }
}
