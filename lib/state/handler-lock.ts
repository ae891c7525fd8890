/**
 * One handler at a time per instance. One that finds the lock taken leaves a mark and goes; the holder looks at the
 * mark before and after it lets go, and goes round again: no event is lost and no queue builds up.
 *
 * The lock is proper-lockfile's directory. Whether its holder still lives is told by pid and start time in
 * `handler.owner` beside it (never by the lock's age: the wall clock may step), so a holder killed with -9 blocks the
 * next one only for as long as it takes to look twice.
 */
import { rmdirSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import lockfile from 'proper-lockfile'
import { reason, Temporary } from '../errors.ts'
import { processOf } from '../process/identity.ts'
import { readFact, removeFact, writeFact } from './facts.ts'
import { type Files, filesOf, isOwnerAlive } from './handler-mark.ts'

const day = 86_400_000
/** A holder writes its name right after it has the lock; so long a contender waits before it believes in a dead one. */
const secondLook = 100

/**
 * Runs `work` as the only handler of this instance, again for as long as others left their mark meanwhile.
 * @returns false when another handler is at it, which will see the mark
 */
export async function asOnlyHandler(directory: string, work: () => Promise<void>): Promise<boolean> {
  const files = filesOf(directory)
  let release = (await acquire(directory, files)) ?? (await afterMark(directory, files))
  if (!release) return false
  while (release) {
    try {
      do {
        removeFact(files.mark)
        await work()
      } while (readFact(files.mark) !== null)
    } finally {
      release()
    }
    // A mark that was left between the last look and the release is ours to see: its writer found us here.
    release = readFact(files.mark) === null ? null : await acquire(directory, files)
  }
  return true
}

async function afterMark(directory: string, files: Files): Promise<(() => void) | null> {
  writeFact(files.mark, String(process.pid))
  return acquire(directory, files)
}

async function acquire(directory: string, files: Files): Promise<(() => void) | null> {
  const release = tryLock(directory, files)
  if (release || isOwnerAlive(files)) return release
  const taken = inode(files.lock)
  await delay(secondLook)
  if (isOwnerAlive(files) || inode(files.lock) !== taken) return tryLock(directory, files)
  remove(files.lock)
  return tryLock(directory, files)
}

function tryLock(directory: string, files: Files): (() => void) | null {
  try {
    // Synchronous: the other one would start Node's pool of threads for five calls.
    const release = lockfile.lockSync(directory, {
      lockfilePath: files.lock,
      realpath: false,
      // Its age decides nothing: a step of the wall clock must neither free a living holder's lock nor keep a dead one's.
      stale: Number.POSITIVE_INFINITY,
      update: day,
      onCompromised: () => {}, // someone removed the directory; the per-partition rules still hold
    })
    const self = processOf(process.pid)
    writeFact(files.owner, `${self?.pid} ${self?.start}`)
    return release
  } catch (error) {
    if ((error as { code?: string }).code === 'ELOCKED') return null
    throw new Temporary(`cannot lock ${files.lock}: ${reason(error)}; mend the state directory`)
  }
}

/** Inode numbers are used again at once; with the time of birth they tell one directory from the next. */
function inode(file: string): string | null {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.birthtimeMs}` : null
}

function remove(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
