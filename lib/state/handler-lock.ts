/**
 * Only one handler at a time works for an instance. A handler that finds the lock taken leaves a mark and ends. The
 * holder checks for the mark before and after it releases the lock, and then runs again: no event is lost and no queue
 * builds up.
 *
 * The lock is a directory that holds its holder's name: see lock-directory.ts.
 */
import { reason, Temporary } from '../base/errors.ts'
import { attempt, readFact, removeFact, writeFact } from './facts.ts'
import { type Files, filesOf } from './handler-mark.ts'
import { giveLockBack, takeLock } from './lock-directory.ts'

/**
 * Runs `work` as the only handler of this instance, and again while other handlers leave their mark.
 * @returns false when another handler is running, which will see the mark
 */
export async function asOnlyHandler(directory: string, work: () => Promise<void>): Promise<boolean> {
  const files = filesOf(directory)
  let release = acquire(files) ?? afterMark(files)
  if (!release) return false
  while (release) {
    try {
      do {
        removeFact(files.mark)
        await work()
      } while (readFact(files.mark) !== null)
    } finally {
      attempt(`unlock ${files.lock}`, release)
    }
    // A mark left between the last check and the release is ours to handle: its writer found us holding the lock.
    release = readFact(files.mark) === null ? null : acquire(files)
  }
  return true
}

function afterMark(files: Files): (() => void) | null {
  writeFact(files.mark, String(process.pid))
  return acquire(files)
}

/** Age decides nothing: a step of the wall clock must neither free a live holder's lock nor keep a dead one's. */
function acquire(files: Files): (() => void) | null {
  try {
    takeLock(files.lock)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null
    throw new Temporary(`cannot lock ${files.lock}: ${reason(error)}; mend the state directory`)
  }
  const atExit = () => giveBackAtExit(files)
  process.once('exit', atExit)
  return () => {
    process.off('exit', atExit)
    giveLockBack(files.lock)
  }
}

/** A program that ends at its deadline leaves no lock of a dead holder behind. Whoever comes next frees such a lock anyway. */
function giveBackAtExit({ lock }: Files): void {
  try {
    giveLockBack(lock)
  } catch {
    // A read-only disk must not change the exit code.
  }
}
