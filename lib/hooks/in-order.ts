/** One program at a time decides what is told next of an instance: several may find the same news at once. */
import { reason, Temporary } from '../base/errors.ts'
import { makeDirectory } from '../state/facts.ts'
import { lockDirectory } from '../state/lock-directory.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** A holder writes a few small files; who has not finished after a second hangs. */
const tries = 200
const pause = 5

/**
 * Compares what is with what was told, and keeps the events, without anybody in between. Without the lock after a second it
 * goes on all the same: an event that is out of order is better than one that is lost.
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
    if (held) lockDirectory.rmdirSync(lock)
  }
}

function taken(lock: string): boolean {
  try {
    lockDirectory.mkdirSync(lock)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    throw new Temporary(`cannot lock ${lock}: ${reason(error)}; make room or mend the state directory`)
  }
}
