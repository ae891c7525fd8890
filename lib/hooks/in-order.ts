/**
 * Only one program at a time decides which events of an instance come next: several may see the same change at once.
 */
import { reason, Temporary } from '../base/errors.ts'
import { makeDirectory } from '../state/facts.ts'
import { giveLockBack, takeLock } from '../state/lock-directory.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** A holder writes a few small files, so one that takes more than a second hangs. */
const tries = 200
const pause = 5

/**
 * Compares the present state with the last one told, and keeps the events, under a lock. If the lock is not free after
 * a second, it goes on without: an event out of order is better than a lost one.
 */
export function inOrder<T>(files: InstanceFiles, work: () => T): T {
  makeDirectory(files.events)
  const lock = `${files.events}/telling.lock`
  let held = taken(lock)
  for (let left = tries; !held && left > 0; left--) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause)
    held = taken(lock)
  }
  try {
    return work()
  } finally {
    if (held) giveLockBack(lock)
  }
}

function taken(lock: string): boolean {
  try {
    takeLock(lock)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    throw new Temporary(`cannot lock ${lock}: ${reason(error)}; make room or mend the state directory`)
  }
}
