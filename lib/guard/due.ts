/** Which programs to start after a tick, and when. */
import { existsSync } from 'node:fs'
import type { Renewal } from '../act/renew.ts'
import { bootClock, bootId } from '../base/clock.ts'
import { isReportStale } from '../keys/report.ts'
import { readFree } from '../look/free.ts'
import { isLookDue } from '../look/looked.ts'
import { definitionInForce, stampOf } from '../state/definition.ts'
import { readFact } from '../state/facts.ts'
import { longestPause } from '../state/fetches.ts'
import { isMarkForgotten } from '../state/handler-mark.ts'
import type { Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { withReadiness } from '../state/ready.ts'
import { schedulerLeft } from '../state/scheduling.ts'
import type { Self } from '../state/self.ts'
import { hasNoCommand, isFinished } from '../state/shepherd-status.ts'

/** The longest time by which checks and hooks are put off, ms: see hooks/queue.ts. */
const mostPutOff = 300_000

/** ms */
const hour = 3_600_000

/** A renewal, and the answers to the questions after it. */
export interface Answered extends Renewal {
  /** A member's session is gone, which no watch reports. */
  readonly vanished: boolean
  /** A look is due, and would show what the last one did. */
  readonly unchanged: boolean
  /** Files are to be rendered again. */
  readonly render: boolean
}

/** What a member does for the whole service, and in how many ms; null for not before the next tick. */
export function dueOfMember(
  files: InstanceFiles,
  { member }: Pick<Renewal, 'member'>,
  interval: number,
): (readonly ['sync' | 'scheduler', number | null])[] {
  if (!member) return []
  return [
    ['sync', syncAfter(files, interval)],
    ['scheduler', scheduleAfter(files, interval)],
  ]
}

/** Whether a full hour of the boot clock lies in the last two intervals: for what is done once an hour. */
export function isHourly(interval: number, now = bootClock()): boolean {
  return Math.floor(now / hour) > Math.floor((now - 2 * interval) / hour)
}

/** Of a set that is fetched. What is written there holds for the definition as it was then. */
function syncAfter(files: InstanceFiles, interval: number): number | null {
  const inForce = definitionInForce(files)
  if (!inForce?.definition.source) return null
  const [at = '', stamp] = readFact(files.sourceDue)?.split(/ (.*)/s) ?? []
  const left = stamp === inForce.stamp.trimEnd() ? leftOf(Number(at), longestPause(inForce.definition.source)) : 0
  return left < interval ? left : null
}

/** Of a scheduler; also once when its definition has none any more, so that the duty is free. */
function scheduleAfter(files: InstanceFiles, interval: number): number | null {
  const left = schedulerLeft(files, () => definitionInForce(files))
  return left !== null && left < interval ? left : null
}

/** The time left until `at`, ms. A time more than `most` ahead was written by another clock: it is due now. */
function leftOf(at: number, most: number): number {
  const left = at - bootClock()
  return left > 0 && left <= most ? left : 0
}

/** A check, or a hook that waits, is due before the next tick; or a drain that a check asked for is over. */
export function isAttentionDue(files: InstanceFiles, next: number): boolean {
  const facts = [files.checksDue, files.eventsDue].flatMap(file => readFact(file) ?? [])
  const due = facts.map(Number).filter(Number.isFinite) // it may say `none`
  if (due.some(at => at <= next || leftOf(at, mostPutOff) === 0)) return true
  const [boot, until, begun] = readFact(files.drained)?.split(' ') ?? []
  return boot !== undefined && (boot !== bootId() || Number(until) <= next || Number(begun) > next)
}

/** In how many ms a reconcile is due: 0 for at once, null for not before the next tick. */
export async function reconcileAfter(
  here: Self,
  local: ReadonlyMap<string, Local>,
  renewal: Answered,
  interval: number,
): Promise<number | null> {
  const { files } = here
  if (!renewal.member || renewal.lost.length > 0) return 0
  if ([...local.values()].some(needsWork)) return 0
  const inForce = definitionInForce(files)
  if (isMarkForgotten(files.directory) || stampOf(here.definitionFile) !== inForce?.stamp) return 0
  if (await hasWorkerClosed(here)) return 0
  const now = bootClock()
  if (!renewal.unchanged && isLookDue(files, now, interval)) return 0
  if (isReportStale(files, withReadiness(files, local, inForce.definition))) return 0
  return readFree(files, bootId(), now).size > 0 ? untilDue(files, now, interval) : null
}

/** Most services have no worker that says anything of itself. */
async function hasWorkerClosed({ files, instance }: Self): Promise<boolean> {
  if (!existsSync(files.worker.report)) return false
  const { mustDrain } = await import('../act/drain-closed.ts')
  return mustDrain(files, instance) !== null
}

/** During a takeover wait there is a look at every tick, and one exactly at the end of the wait. */
function untilDue(files: InstanceFiles, now: number, interval: number): number {
  const left = Number(readFact(files.due) ?? 0) - now
  return left > 0 && left < interval ? left : 0
}

/** Something stands half done, or a process that should run has nobody to look after it. */
function needsWork({ acquisition, releasing, index, restart, shepherd, status, aheadOfClock }: Local): boolean {
  if (releasing !== null || aheadOfClock) return true
  if (acquisition === null) return shepherd !== null
  return index === null || restart || (shepherd === null && !isFinished(status) && !hasNoCommand(status))
}
