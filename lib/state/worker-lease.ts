/**
 * The worker runs many partitions under one lease: the shortest of theirs. Its shepherd knows only that lease, and
 * stops the whole worker when it is over, whatever else is dead or cut off.
 *
 * So a program that shortens the lease of a partition which the worker may run must shorten the worker's lease first.
 * The guard extends the worker's lease later.
 */
import { existsSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import { exclusively } from './exclusively.ts'
import { directoriesIn } from './facts.ts'
import { instanceLease, lastProof, never, type PartitionLease, partitionLease, writeLease } from './lease.ts'
import { type PartitionFiles, partitionFiles, type WorkerFiles, workerOf } from './partition-paths.ts'

/** Writes the lease of a partition, and updates the worker's lease while the partition is handed to it. */
export function writePartitionLease(files: PartitionFiles, lease: PartitionLease): void {
  writePartitionLeases([[files, lease]])
}

/**
 * The same for many partitions of one instance. Whether a partition is handed to the worker is checked under the
 * worker's lock: otherwise it could be handed over in between, with the lease that is shortened here.
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
    // The worker's directory may just have been made: then partitions are being handed over, perhaps with their
    // earlier leases.
    if (!existsSync(worker.directory)) return
  }
  exclusively(worker, () => {
    const handed = shorter.filter(([files]) => existsSync(files.handed)).map(([, lease]) => lease)
    if (handed.length > 0) shorten(worker, handed)
    write()
  })
}

/**
 * False when it ends no earlier than before, whatever is written meanwhile. A partition without a lease runs nowhere.
 */
function isShorter([files, { from, own }]: readonly [PartitionFiles, PartitionLease]): boolean {
  const before = partitionLease(files)
  return before === null ? existsSync(files.handed) : from > before.from || proofOf(own) < proofOf(before.own)
}

/** A time beyond any clock proves nothing: such a lease is over. */
function proofOf(own: number): number {
  return own === never ? -1 : own
}

/** Call it under the worker's lock. A worker without a lease does not run. */
export function shorten(worker: WorkerFiles, leases: readonly (PartitionLease | null)[]): void {
  writeLease(worker, shortest(worker, [partitionLease(worker), ...leases]))
}

/** Call it under the worker's lock: sets the lease from all partitions that are handed to the worker. */
export function measure(worker: WorkerFiles): void {
  const leases = handedTo(worker).map(partitionLease)
  if (leases.length > 0) writeLease(worker, shortest(worker, leases))
}

/**
 * For the guard, after a check that began at `t0`. That check does not extend the worker's lease when a lock is in
 * doubt or newer than the check; the lease is then extended as far as those of the partitions are.
 */
export function lengthen(worker: WorkerFiles, t0: number): void {
  const lease = partitionLease(worker)
  if (lease !== null && lease.from > t0) exclusively(worker, () => measure(worker))
}

/** The partitions that the worker may be running. */
export function handedTo(worker: WorkerFiles): PartitionFiles[] {
  return partitionsBeside(worker).filter(({ handed }) => existsSync(handed))
}

export function partitionsBeside({ instance }: WorkerFiles): PartitionFiles[] {
  const root = `${instance}/partition`
  return directoriesIn(root).map(name => partitionFiles(`${root}/${name}`))
}

/** Ends no later than any of these leases, however far the instance's lease is extended. */
function shortest({ instance }: WorkerFiles, leases: readonly (PartitionLease | null)[]): PartitionLease {
  const now = bootClock()
  const t0 = instanceLease({ lease: `${instance}/lease` }, now)
  return {
    from: Math.max(...leases.map(lease => lease?.from ?? never)),
    own: Math.min(...leases.map(lease => lastProof(lease, t0, now) ?? 0)),
  }
}
