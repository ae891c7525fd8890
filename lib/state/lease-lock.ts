/**
 * Only one program at a time may change from when the instance's lease counts for a partition. The guard frees or
 * freezes a lease by a read from Consul some time ago; a handler writes the lease of a new acquisition. Without this
 * lock, a program that is stopped between its read of the files and its write could undo a freeze made meanwhile, and
 * the instance's lease would count again for a lost lock.
 *
 * The usual tick only extends the instance's lease, and needs no lock.
 */

import { exclusively } from './exclusively.ts'
import type { InstanceFiles } from './paths.ts'

/** @throws Temporary when another program does not release the lock: then nothing is written */
export function changingLeases<T>({ directory, leaseLock }: InstanceFiles, work: () => T): T {
  return exclusively({ directory, lock: leaseLock }, work)
}
