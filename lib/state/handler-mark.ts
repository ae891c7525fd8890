/** Who handles an instance now, and the mark of one who found it handled; see handler-lock.ts. */
import { isAlive, parseProcess } from '../process/identity.ts'
import { readFact } from './facts.ts'

export interface Files {
  readonly lock: string
  readonly owner: string
  readonly mark: string
}

export function filesOf(directory: string): Files {
  return { lock: `${directory}/handler.lock`, owner: `${directory}/handler.owner`, mark: `${directory}/handler.mark` }
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
