/**
 * Leases: until when an instance may let its processes run, on the boot clock.
 *
 * There is one file for the instance, `<boot id> <t0>`: t0 is the start of the last successful check of its locks.
 * There is one file per partition, `<from> <own>`. The instance's t0 counts for this acquisition only when t0 is at
 * least `from`: then the check included this lock. Otherwise `own` counts, the start of the acquisition's own
 * transaction. A lease that ended while the lock was lost is pinned (frozen): its `from` is beyond any clock, so
 * renewals no longer count. The lease ends L after the later of the two times; L is that of the acquisition. The
 * shepherd reads these files by the same rule.
 *
 * Format of both files: the line twice, one space between its words, each number padded with spaces to 14 bytes. So an
 * instance's file has 104 bytes and a partition's 60. They are written in place: see state/twice.ts. An older release
 * wrote the line once, without padding, and renamed it into place.
 *
 * The shepherd of an older release reads only the first line. During a write that line may begin with digits of the
 * older number and end with digits of the newer one. Such a number is not later than the newer one, or (when the newer
 * one has one digit more) it is ahead of the clock and refused.
 */
import { bootId } from '../base/clock.ts'
import type { PartitionFiles } from './partition-paths.ts'
import type { InstanceFiles } from './paths.ts'
import { readTwice, writeTwice } from './twice.ts'

export interface PartitionLease {
  readonly from: number
  readonly own: number
}

/** Later than any clock: the instance's lease does not count for a pinned acquisition. */
export const never = 9_999_999_999_999

/** The boot clock has steps of 10 ms: a check that began in the same step may not have included the acquisition. */
export const clockStep = 10

/**
 * The start of the instance's last successful check; null when there was none in this boot, or it is ahead of `now`.
 */
export function instanceLease(files: Pick<InstanceFiles, 'lease'>, now: number): number | null {
  const [boot, t0] = readTwice(files.lease)?.split(' ') ?? []
  if (boot !== bootId() || t0 === undefined || !/^\d+$/.test(t0)) return null
  return Number(t0) <= now ? Number(t0) : null
}

/** Extends the instance's lease to a check that began at `t0`. An older check never shortens it. */
export function extendLease(files: InstanceFiles, t0: number, now: number): void {
  if ((instanceLease(files, now) ?? -1) < t0) writeTwice(files.lease, `${bootId()} ${padded(t0)}`)
}

export function partitionLease(files: PartitionFiles): PartitionLease | null {
  const match = /^(\d+) +(\d+)$/.exec(readTwice(files.lease) ?? '')
  return match ? { from: Number(match[1]), own: Number(match[2]) } : null
}

/**
 * Writes the lease as given. For a partition handed to the worker use `writePartitionLease` of state/worker-lease.ts.
 */
export function writeLease(files: PartitionFiles, lease: PartitionLease): void {
  writeTwice(files.lease, `${padded(lease.from)} ${padded(lease.own)}`)
}

/** The shepherd reads at most 14 digits. */
function padded(time: number): string {
  return String(time).padEnd(14)
}

/**
 * The lease was written by a clock that has restarted since: /proc/uptime restarts in another time namespace, such as
 * that of a restarted container, under the same boot id. Waiting for that time is impossible, so the lease is over.
 */
export function isAheadOfClock({ from, own }: PartitionLease, now: number): boolean {
  return (own !== never && own > now) || (from !== never && from > now + clockStep)
}

/** When the lock of an acquisition was last known to be held; null when that is not known. */
export function lastProof(lease: PartitionLease | null, t0: number | null, now: number): number | null {
  if (lease === null) return null
  const own = lease.own <= now ? lease.own : null
  const instance = t0 !== null && t0 >= lease.from ? t0 : null
  if (own === null || instance === null) return own ?? instance
  return Math.max(own, instance)
}
