/**
 * The worker runs many partitions by one lease: the shortest of theirs. Its shepherd, which knows that one only, stops the
 * worker as a whole when it is over, whatever else is dead or cut off.
 *
 * So whoever shortens the lease of a partition that the worker may be running shortens the worker's first; what has become
 * longer is written down later, by the guard.
 */
import { existsSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import { exclusively } from './exclusively.ts'
import { directoriesIn } from './facts.ts'
import { instanceLease, lastProof, never, type PartitionLease, partitionLease, writeLease } from './lease.ts'
import { type PartitionFiles, partitionFiles, type WorkerFiles, workerOf } from './paths.ts'

/** Writes the lease of a partition, and has the worker's follow while it is handed to it. */
export function writePartitionLease(files: PartitionFiles, lease: PartitionLease): void {
  writePartitionLeases([[files, lease]])
}

/**
 * The same for many of one instance. Whether one is handed to the worker is looked at under the worker's lock: otherwise it
 * could be handed over in between, by the lease that is shortened here.
 */
export function writePartitionLeases(leases: readonly (readonly [PartitionFiles, PartitionLease])[]): void {
  const shorter = leases.filter(isShorter)
  const write = () => {
    for (const [files, lease] of leases) writeLease(files, lease)
  }
  if (shorter[0] === undefined) {
    write()
    return
  }
  const worker = workerOf(shorter[0][0])
  if (!existsSync(worker.directory)) {
    write()
    // Made meanwhile, the first ones are being handed over, perhaps by what stood there before.
    if (!existsSync(worker.directory)) return
  }
  exclusively(worker, () => {
    const handed = shorter.filter(([files]) => existsSync(files.handed)).map(([, lease]) => lease)
    if (handed.length > 0) shorten(worker, handed)
    write()
  })
}

/** Otherwise it ends no earlier than before, whatever else is written meanwhile. One that has none yet runs nowhere. */
function isShorter([files, { from, own }]: readonly [PartitionFiles, PartitionLease]): boolean {
  const before = partitionLease(files)
  return before === null ? existsSync(files.handed) : from > before.from || proofOf(own) < proofOf(before.own)
}

/** A time that never comes proves nothing: such a lease is over. */
function proofOf(own: number): number {
  return own === never ? -1 : own
}

/** For who holds the worker's lock. A worker without a lease has none that runs. */
export function shorten(worker: WorkerFiles, leases: readonly (PartitionLease | null)[]): void {
  writeLease(worker, shortest(worker, [partitionLease(worker), ...leases]))
}

/** For who holds the worker's lock: the lease of all that is handed to the worker. */
export function measure(worker: WorkerFiles): void {
  const leases = handedTo(worker).map(partitionLease)
  if (leases.length > 0) writeLease(worker, shortest(worker, leases))
}

/**
 * The guard, after a check that began at `t0`: a lease that this check does not extend, because a lock is in doubt or newer
 * than the check, is extended as far as those of the partitions are.
 */
export function lengthen(worker: WorkerFiles, t0: number): void {
  const lease = partitionLease(worker)
  if (lease !== null && lease.from > t0) exclusively(worker, () => measure(worker))
}

/** What the worker may be running. */
export function handedTo(worker: WorkerFiles): PartitionFiles[] {
  return partitionsBeside(worker).filter(({ handed }) => existsSync(handed))
}

export function partitionsBeside({ instance }: WorkerFiles): PartitionFiles[] {
  const root = `${instance}/partition`
  return directoriesIn(root).map(name => partitionFiles(`${root}/${name}`))
}

/** It ends no later than any of them, whatever the instance's lease is extended to. */
function shortest({ instance }: WorkerFiles, leases: readonly (PartitionLease | null)[]): PartitionLease {
  const now = bootClock()
  const t0 = instanceLease({ lease: `${instance}/lease` }, now)
  return {
    from: Math.max(...leases.map(lease => lease?.from ?? never)),
    own: Math.min(...leases.map(lease => lastProof(lease, t0, now) ?? 0)),
  }
}
