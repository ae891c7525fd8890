/** Who handles an instance now, and the mark of one who found it handled; see handler-lock.ts. */
import { existsSync } from 'node:fs'
import { writeFact } from './facts.ts'
import { holderOf } from './lock-directory.ts'
import type { InstanceFiles } from './paths.ts'

/** What one says who leaves it to another. */
export const elsewhere = 'another handler is at it; it will look again'

export interface Files {
  readonly lock: string
  readonly mark: string
}

export function filesOf(directory: string): Files {
  return { lock: `${directory}/handler.lock`, mark: `${directory}/handler.mark` }
}

/** The locks of an instance that a program holds while it works. */
export function locksOf({ directory, leaseLock, worker, sourceLock, checksLock, events }: InstanceFiles): string[] {
  const places = [directory, sourceLock, checksLock, events].map(place => filesOf(place).lock)
  return [...places, leaseLock, worker.lock, `${events}/telling.lock`]
}

/**
 * Leaves the mark with whoever handles the instance now. Mark first, look then: a holder lets go first and looks at the
 * mark then, so one of the two sees the other.
 * @returns false when nobody is at it
 */
export function leaveToHolder(directory: string): boolean {
  const files = filesOf(directory)
  if (holderOf(files.lock) === null) return false
  writeFact(files.mark, String(process.pid))
  return holderOf(files.lock) !== null
}

/** Another handler found this one at it. */
export function isMarked(directory: string): boolean {
  return existsSync(filesOf(directory).mark)
}

/** A handler left its mark and nobody alive is there to see it. */
export function isMarkForgotten(directory: string): boolean {
  return isMarked(directory) && holderOf(filesOf(directory).lock) === null
}
