/** Reads /proc even when no file descriptor is left: closes `lock`'s stdin and uses its descriptor. */
import { closeSync, openSync } from 'node:fs'

/** The descriptor of our stdin, which `lock` does not read; the command has its own. null when it could not be reopened. */
let spare: number | null = 0

/** Calls `look`. If no descriptor is left, frees that of stdin and calls it once more. */
export function withSpare<T>(look: () => T): T {
  try {
    return look()
  } catch (error) {
    if (spare === null || (error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
  }
  closeSync(spare)
  spare = null
  try {
    return look()
  } finally {
    spare = again()
  }
}

/** Takes the descriptor again at once, before a connection gets it: the next look needs it. */
function again(): number | null {
  try {
    return openSync('/dev/null', 'r')
  } catch {
    return null
  }
}
