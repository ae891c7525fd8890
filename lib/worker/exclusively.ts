/** One at a time may change what the worker is told, and from when leases count: handlers, and the guard when a lock is lost. */
import { Temporary } from '../errors.ts'
import { makeDirectory } from '../state/facts.ts'
import type { WorkerFiles } from '../state/instance.ts'
import { lockDirectory } from '../state/lock-directory.ts'

/** Work is done within a few ms, so whoever is not done in 500 ms hangs. */
const tries = 100
const pause = 5

/** @throws Temporary when another does not let go */
export function exclusively<T>(files: Pick<WorkerFiles, 'directory' | 'lock'>, work: () => T): T {
  makeDirectory(files.directory)
  for (let left = tries; !taken(files.lock); left--) {
    if (left === 0) throw new Temporary(`cannot lock ${files.lock}: another program holds it; it is tried again`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause)
  }
  try {
    return work()
  } finally {
    lockDirectory.rmdirSync(files.lock)
  }
}

function taken(lock: string): boolean {
  try {
    lockDirectory.mkdirSync(lock)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    throw new Temporary(`cannot lock ${lock}: ${(error as Error).message}; mend the state directory`)
  }
}
