/** `<home>/current`, the symbolic link that names the release in force. */
import { readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'

/** The version in force; null when there is none. */
export function currentVersion(home: string): string | null {
  try {
    return readlinkSync(`${home}/current`).replace(/^releases\//, '')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error // EINVAL: something else stands there
  }
}

/** Makes a version the current one, by one rename. @returns whether another one was current before */
export function switchTo(home: string, version: string): boolean {
  if (currentVersion(home) === version) return false
  const fresh = `${home}/current.${process.pid}.new`
  rmSync(fresh, { force: true })
  symlinkSync(`releases/${version}`, fresh) // relative, so that the whole home can be moved
  renameSync(fresh, `${home}/current`)
  return true
}
