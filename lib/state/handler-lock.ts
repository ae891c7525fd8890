/**
 * Only one handler at a time works for an instance. A handler that finds the lock taken leaves a mark and ends. The
 * holder checks for the mark before and after it releases the lock, and then runs again: no event is lost and no queue
 * builds up.
 *
 * The lock is a directory of proper-lockfile that holds its holder's name: see lock-directory.ts.
 */
import lockfile from 'proper-lockfile'
import { reason, Temporary } from '../base/errors.ts'
import { attempt, readFact, removeFact, writeFact } from './facts.ts'
import { type Files, filesOf } from './handler-mark.ts'
import { lockDirectory } from './lock-directory.ts'

const day = 86_400_000

/**
 * Runs `work` as the only handler of this instance, and again while other handlers leave their mark.
 * @returns false when another handler is running, which will see the mark
 */
export async function asOnlyHandler(directory: string, work: () => Promise<void>): Promise<boolean> {
  const files = filesOf(directory)
  let release = acquire(directory, files) ?? afterMark(directory, files)
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
    release = readFact(files.mark) === null ? null : acquire(directory, files)
  }
  return true
}

function afterMark(directory: string, files: Files): (() => void) | null {
  writeFact(files.mark, String(process.pid))
  return acquire(directory, files)
}

function acquire(directory: string, files: Files): (() => void) | null {
  try {
    // Synchronous: the asynchronous variant would start Node's thread pool for five calls.
    return lockfile.lockSync(directory, {
      lockfilePath: files.lock,
      realpath: false,
      fs: lockDirectory,
      // Its age decides nothing: a step of the wall clock must neither free a live holder's lock nor keep a dead one's.
      stale: Number.POSITIVE_INFINITY,
      update: day,
      onCompromised: () => {}, // someone removed the directory; the rules for each partition still hold
    })
  } catch (error) {
    if ((error as { code?: string }).code === 'ELOCKED') return null
    throw new Temporary(`cannot lock ${files.lock}: ${reason(error)}; mend the state directory`)
  }
}
