/** Whether a file belongs to root alone: who may write it, or replace it in its directory, says what it says. */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Why others than root may change the file, with the command that mends it; null when nobody else may. @throws Node's own errors */
export function notRootsAlone(file: string): string | null {
  for (const path of [file, dirname(file)]) {
    const { uid, mode } = statSync(path)
    // In a directory such as /tmp only the owner may replace a file.
    const isShared = (mode & 0o022) !== 0 && (mode & 0o1000) === 0
    if (uid !== 0) return `${path} belongs to user ${uid}, and only root may write it; chown root ${path}`
    if (isShared) return `others than root may write ${path}; chmod go-w ${path}`
  }
  return null
}
