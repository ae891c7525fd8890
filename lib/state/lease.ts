/**
 * Leases: until when an instance may let its processes run, on the boot clock.
 *
 * One file for the instance, `<boot id> <t0>`: t0 is the start of the last successful check of its locks. One per
 * partition, `<from> <own>`: the instance's t0 counts for this acquisition only when it is at least `from` (the check
 * knew of it); otherwise `own` does, the start of the acquisition's own transaction. A lease that ended while the lock
 * was lost is pinned: its `from` lies beyond every clock. The lease ends L after the later of the two, L being that of
 * the acquisition. The shepherd reads the same files by the same rule.
 *
 * The format of both: this line twice, one space between its words, and each number filled up with spaces to 14 bytes.
 * So an instance's file has 104 bytes and a partition's 60. They are written in place: see state/twice.ts. An older
 * release wrote the line once, without the filling, and renamed it into place.
 *
 * The shepherd of an older release reads only the first line. A torn one gives it the first digits of the older number
 * and the last digits of the newer one: that is no later than the newer one, or (where a digit more is written) lies
 * ahead of the clock and is refused.
 */
import { bootId } from '../base/clock.ts'
import type { InstanceFiles, PartitionFiles } from './paths.ts'
import { readTwice, writeTwice } from './twice.ts'

export interface PartitionLease {
  readonly from: number
  readonly own: number
}

/** No check is ever that late: the instance's lease does not count for a pinned acquisition. */
export const never = 9_999_999_999_999

/** The boot clock moves in steps of 10 ms; a check that began in the same step may not have seen the acquisition. */
export const clockStep = 10

/** The start of the instance's last successful check; null when there was none in this boot, or it lies ahead of `now`. */
export function instanceLease(files: Pick<InstanceFiles, 'lease'>, now: number): number | null {
  const [boot, t0] = readTwice(files.lease)?.split(' ') ?? []
  if (boot !== bootId() || t0 === undefined || !/^\d+$/.test(t0)) return null
  return Number(t0) <= now ? Number(t0) : null
}

/** Extends the instance's lease to a check that began at `t0`; an older check never lowers it. */
export function extendLease(files: InstanceFiles, t0: number, now: number): void {
  if ((instanceLease(files, now) ?? -1) < t0) writeTwice(files.lease, `${bootId()} ${padded(t0)}`)
}

export function partitionLease(files: PartitionFiles): PartitionLease | null {
  const match = /^(\d+) +(\d+)$/.exec(readTwice(files.lease) ?? '')
  return match ? { from: Number(match[1]), own: Number(match[2]) } : null
}

/** As it is. What is handed to the worker goes by `writePartitionLease` of state/worker-lease.ts. */
export function writeLease(files: PartitionFiles, lease: PartitionLease): void {
  writeTwice(files.lease, `${padded(lease.from)} ${padded(lease.own)}`)
}

/** The shepherd reads at most 14 digits. */
function padded(time: number): string {
  return String(time).padEnd(14)
}

/**
 * It was written by a clock that has begun anew since: /proc/uptime does so in another time namespace, as of a container
 * that was started again, under the same boot id. Nobody can wait for that time, so the lease is over.
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
