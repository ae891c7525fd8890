/** Changes files that other programs may be reading: compares, writes a new file, renames it. A reader sees the old or the new. */
import { closeSync, fchmodSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { Permanent, reason, Temporary } from '../base/errors.ts'

/** Consul's user must be able to read it; it holds no secret. */
const readable = 0o644

export type Outcome = 'wrote' | 'removed' | 'unchanged'

/**
 * Writes `text` to `file`; a new file gets `mode`. With `dryRun` it changes nothing and returns what would be done.
 * @throws Permanent when it may not be written here; Temporary when the write failed for a reason that may pass.
 */
export function install(file: string, text: string, dryRun = false, mode = readable): Outcome {
  if (attempt('read', file, () => contents(file)) === text) return 'unchanged'
  if (!dryRun) attempt('write', file, () => replace(file, text, mode))
  return 'wrote'
}

/** Removes `file`; "unchanged" when there is none. */
export function uninstall(file: string, dryRun = false): Outcome {
  if (attempt('read', file, () => contents(file)) === null) return 'unchanged'
  if (!dryRun) attempt('remove', file, () => rmSync(file))
  return 'removed'
}

function contents(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** The new file's name does not end in .json or .hcl: Consul reads all of those in its directory, half written or not. */
function replace(file: string, text: string, mode: number): void {
  const fresh = `${file}.${process.pid}.new`
  try {
    writeWhole(fresh, text, mode)
    renameSync(fresh, file)
    sync(dirname(file))
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}

/** Sets this mode, whatever our umask is. */
function writeWhole(file: string, text: string, mode: number): void {
  const descriptor = openSync(file, 'w', mode)
  try {
    fchmodSync(descriptor, mode)
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function sync(directory: string): void {
  const descriptor = openSync(directory, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

const lasting: Record<string, string> = {
  ENOENT: 'there is no such directory; make it, or name another one',
  ENOTDIR: 'a part of its path is not a directory; name another one',
  EISDIR: 'it is a directory; remove it, or name another one',
  EACCES: 'this user may not; run it as one that may, such as root',
  EPERM: 'this user may not; run it as one that may, such as root',
  EROFS: 'the file system is read-only; name another directory',
}

/** Runs a change outside the state directory. */
export function attempt<T>(act: string, file: string, change: () => T): T {
  try {
    return change()
  } catch (error) {
    const why = lasting[(error as NodeJS.ErrnoException).code ?? '']
    if (why) throw new Permanent(`cannot ${act} ${file}: ${why}`)
    throw new Temporary(`cannot ${act} ${file}: ${reason(error)}; try again`)
  }
}
