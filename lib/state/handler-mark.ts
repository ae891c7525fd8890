/** Which handler works for an instance now, and the mark of a handler that found it busy; see handler-lock.ts. */
import { existsSync } from 'node:fs'
import { writeFact } from './facts.ts'
import { holderOf } from './lock-directory.ts'
import type { InstanceFiles } from './paths.ts'

/** Printed when another handler is already running. */
export const leftToOther = 'another handler is already running; it will look again'

export interface Files {
  readonly lock: string
  readonly mark: string
}

export function filesOf(directory: string): Files {
  return { lock: `${directory}/handler.lock`, mark: `${directory}/handler.mark` }
}

/** The locks of an instance that a program holds while it works. */
export function locksOf(files: InstanceFiles): string[] {
  const { directory, leaseLock, worker, sourceLock, scheduler, checksLock, renderLock, rollLock, power, events } = files
  const held = [directory, sourceLock, scheduler, checksLock, renderLock, rollLock, power, events]
  const places = held.map(place => filesOf(place).lock)
  return [...places, leaseLock, worker.lock, `${events}/telling.lock`]
}

/**
 * Leaves the mark for the running handler. The mark is written before the lock is checked; the holder releases the lock
 * before it checks for the mark. So at least one of the two sees the other.
 * @returns false when no handler is running
 */
export function leaveToHolder(directory: string): boolean {
  const files = filesOf(directory)
  if (holderOf(files.lock) === null) return false
  writeFact(files.mark, String(process.pid))
  return holderOf(files.lock) !== null
}

/** Another handler has left its mark for the running one. */
export function isMarked(directory: string): boolean {
  return existsSync(filesOf(directory).mark)
}

/** A handler left its mark, and no live handler is there to see it. */
export function isMarkForgotten(directory: string): boolean {
  return isMarked(directory) && holderOf(filesOf(directory).lock) === null
}
