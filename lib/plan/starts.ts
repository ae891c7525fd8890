/** `starts.atOnce` limits how many processes start at the same time: a machine must survive a takeover of hundreds. */
import type { Snapshot } from '../look/snapshot.ts'
import type { Local } from '../state/local.ts'
import { couldNotStart, isRunning, isStarting } from '../state/shepherd-status.ts'

/** A process that has run for this long counts as started, ms. The next guard tick comes later and starts the next ones. */
const settled = 1000
/** The kernel's unit of process start times, ms (1 / USER_HZ). */
const tick = 10

/** How many more may be started now; Infinity where the definition sets no limit. */
export function freeStarts({ definition, local, now }: Pick<Snapshot, 'definition' | 'local' | 'now'>): number {
  const most = definition.startsAtOnce
  if (most === undefined) return Number.POSITIVE_INFINITY
  return Math.max(0, most - [...local.values()].filter(one => isUnderWay(one, now)).length)
}

/** Whether it counts against `starts.atOnce`. A crash loop or a stopped shepherd (SIGSTOP) does not: it would block others. */
function isUnderWay({ shepherd, stopped, process, status }: Local, now: number): boolean {
  if (shepherd === null || stopped) return false
  // null: the shepherd is just writing its next status.
  if (status === null || isStarting(status)) return true
  return process !== null && isRunning(status) && now - Number(process.start) * tick < settled
}

/** Partitions in the order in which they start: those that could not be started last time come last. */
export function byTurn(local: Snapshot['local'], partitions: readonly string[]): string[] {
  const failed = (id: string) => couldNotStart(local.get(id)?.status ?? null)
  return partitions.toSorted((a, b) => Number(failed(a)) - Number(failed(b)))
}

/** The report's words for a partition whose start waits. */
export function queuedWords(atOnce = 0): string {
  return `queued: ${atOnce} start at a time`
}
