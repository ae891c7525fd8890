/** A look at /proc where no descriptor is left: `lock` lends itself that of its stdin. */
import { closeSync, openSync } from 'node:fs'

/** The descriptor of our stdin, which nothing reads: the command has its own. null when it could not be had again. */
let spare: number | null = 0

/** Calls `look`. Where no descriptor is left it is called once more, with stdin's to look with. */
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

/** Nobody else may have it meanwhile, such as a connection: it is needed for the next look. */
function again(): number | null {
  try {
    return openSync('/dev/null', 'r')
  } catch {
    return null
  }
}
