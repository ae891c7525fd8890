/**
 * One program at a time may say from when the instance's lease counts for a partition. The guard frees or pins a lease by
 * what it read from Consul some time ago; a handler writes the one of a new acquisition. Stopped between its look at the
 * files and its write, either would otherwise undo what the other has pinned meanwhile, and the instance's lease would
 * count again for a lock that is lost.
 *
 * The usual tick only extends the instance's lease, and needs no lock.
 */

import { exclusively } from './exclusively.ts'
import type { InstanceFiles } from './paths.ts'

/** @throws Temporary when another program does not let go: then nothing is written */
export function changingLeases<T>({ directory, leaseLock }: InstanceFiles, work: () => T): T {
  return exclusively({ directory, lock: leaseLock }, work)
}
