/** Who handles an instance now, and the mark of one who found it handled; see handler-lock.ts. */

import { existsSync } from 'node:fs'
import { isAlive, parseProcess } from '../process/identity.ts'
import { readFact, writeFact } from './facts.ts'

/** What one says who leaves it to another. */
export const elsewhere = 'another handler is at it; it will look again'

export interface Files {
  readonly lock: string
  readonly owner: string
  readonly mark: string
}

export function filesOf(directory: string): Files {
  return { lock: `${directory}/handler.lock`, owner: `${directory}/handler.owner`, mark: `${directory}/handler.mark` }
}

/**
 * Leaves the mark with whoever handles the instance now. Mark first, look then: a holder lets go first and looks at the
 * mark then, so one of the two sees the other.
 * @returns false when nobody is at it
 */
export function leaveToHolder(directory: string): boolean {
  const files = filesOf(directory)
  if (!existsSync(files.lock) || !isOwnerAlive(files)) return false
  writeFact(files.mark, String(process.pid))
  return existsSync(files.lock) && isOwnerAlive(files)
}

/** Another handler found this one at it. */
export function isMarked(directory: string): boolean {
  return existsSync(filesOf(directory).mark)
}

/** A handler left its mark and nobody alive is there to see it. */
export function isMarkForgotten(directory: string): boolean {
  const files = filesOf(directory)
  return readFact(files.mark) !== null && !isOwnerAlive(files)
}

export function isOwnerAlive(files: Files): boolean {
  const owner = parseProcess(readFact(files.owner))
  return owner !== null && isAlive(owner)
}
