/** `starts.atOnce`: how many processes of an instance may be on their way up, so that a machine survives a takeover of hundreds. */
import type { Snapshot } from '../look/snapshot.ts'
import type { Local } from '../state/local.ts'
import { couldNotStart, isRunning, isStarting } from '../state/shepherd-status.ts'

/** A process that has run for so long is up, ms. Each guard tick comes later than that, and starts the next ones. */
const settled = 1000
/** USER_HZ: what the kernel counts start times in. */
const tick = 10

/** How many more may be started now; Infinity where the definition sets no limit. */
export function freeStarts({ definition, local, now }: Pick<Snapshot, 'definition' | 'local' | 'now'>): number {
  const most = definition.startsAtOnce
  if (most === undefined) return Number.POSITIVE_INFINITY
  return Math.max(0, most - [...local.values()].filter(one => isUnderWay(one, now)).length)
}

/** One that crashes again and again, or whose shepherd is held by a SIGSTOP, takes nobody's turn for ever. */
function isUnderWay({ shepherd, stopped, process, status }: Local, now: number): boolean {
  if (shepherd === null || stopped) return false
  // null: the shepherd is just writing the next one.
  if (status === null || isStarting(status)) return true
  return process !== null && isRunning(status) && now - Number(process.start) * tick < settled
}

/** What could not be started last time lets others pass. */
export function byTurn(local: Snapshot['local'], partitions: readonly string[]): string[] {
  const failed = (id: string) => couldNotStart(local.get(id)?.status ?? null)
  return partitions.toSorted((a, b) => Number(failed(a)) - Number(failed(b)))
}

/** What the report says of one that waits. */
export function queuedWords(atOnce = 0): string {
  return `queued: ${atOnce} start at a time`
}
