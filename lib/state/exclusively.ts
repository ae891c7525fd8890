/**
 * Only one program at a time may change the worker's assignment and the start of leases: a handler, or the guard when
 * a lock is lost.
 */
import { Temporary } from '../base/errors.ts'
import { makeDirectory } from './facts.ts'
import { giveLockBack, holderOf, takeLock } from './lock-directory.ts'
import type { WorkerFiles } from './partition-paths.ts'

/** The work takes a few ms, so a holder that takes 500 ms hangs. */
const tries = 100
const pause = 5

/**
 * On a full disk no lock can be created by any program. When no program holds an older one, the work is done without
 * the lock: a lost lease must be frozen there too.
 * @throws Temporary when another program does not release the lock
 */
export function exclusively<T>(files: Pick<WorkerFiles, 'directory' | 'lock'>, work: () => T): T {
  makeDirectory(files.directory)
  let outcome = take(files.lock)
  for (let left = tries; outcome === 'held'; left--) {
    if (left === 0) throw new LockBusy(`cannot lock ${files.lock}: another program holds it; it is tried again`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause)
    outcome = take(files.lock)
  }
  try {
    return work()
  } finally {
    if (outcome === 'taken') giveLockBack(files.lock)
  }
}

/** Another program holds the lock: that says nothing about the disk. */
export class LockBusy extends Temporary {}

type Taking = 'taken' | 'held' | 'no room'

function take(lock: string): Taking {
  try {
    takeLock(lock)
    return 'taken'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return 'held'
    if (code === 'ENOSPC' || code === 'EDQUOT') return holderOf(lock) === null ? 'no room' : 'held'
    throw new Temporary(`cannot lock ${lock}: ${(error as Error).message}; mend the state directory`)
  }
}
