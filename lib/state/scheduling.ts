/** When the scheduler is to be run next, and what makes it run before that: facts that handlers, guard and scheduler share. */
import { bootClock } from '../base/clock.ts'
import type { Assign } from '../definition/assign.ts'
import type { InForce } from './definition.ts'
import { readFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

/** While a run goes on, or was killed, the guard starts no other one for the scheduler's time limit plus this, ms. */
export const schedulerAtWork = 5000

/** The longest pause that an answer may ask for, ms. */
export const longestSchedulerPause = 86_400_000

/** Sets the next run to so many ms from now; a change of the definition makes it earlier. */
export function putOffScheduler(files: InstanceFiles, { stamp }: Pick<InForce, 'stamp'>, ms: number): void {
  writeFact(files.schedulerDue, `${Math.round(bootClock() + ms)} ${stamp}`)
}

/** The next tick of the guard starts a run. */
export function scheduleSoon(files: InstanceFiles): void {
  writeFact(files.schedulerDue, '0')
}

/**
 * In how many ms a run is due: 0 for at once. A time too far ahead was written by another clock.
 * @param inForce read only where there is a scheduler, or was one
 * @returns null when there is none
 */
export function schedulerLeft(files: InstanceFiles, inForce: () => InForce | null): number | null {
  const fact = readFact(files.schedulerDue)
  if (fact === null) return null
  const now = inForce()
  const assign = now?.definition.assign
  if (now === null || assign === undefined) return 0
  const [at = '', stamp] = fact.split(/ (.*)/s)
  const left = Number(at) - bootClock()
  return stamp === now.stamp.trimEnd() && left > 0 && left <= longestOf(assign) ? left : 0
}

function longestOf({ timeoutMs }: Assign): number {
  return Math.max(longestSchedulerPause, timeoutMs + schedulerAtWork)
}

/** Something changed that the scheduler is to know: it runs once that has been so for a moment. */
export function schedulerChanged(files: InstanceFiles): void {
  writeFact(files.schedulerChanged, String(bootClock()))
}
