/** Facts on disk: one fact per file, as text, so that `ls` and `cat` explain everything. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { reason, Temporary } from '../base/errors.ts'

function code(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** What to do about a file system's error. A program that a person runs may simply run as the wrong user. */
export function remedy(error: unknown, otherwise: string): string {
  const isForbidden = code(error) === 'EACCES' || code(error) === 'EPERM'
  return isForbidden ? 'run it as root, or as the user that runs the Consul agent' : otherwise
}

/**
 * The text of a fact without its newline; null when there is no such file.
 * @throws Temporary when it cannot be read.
 */
export function readFact(file: string): string | null {
  // Most facts are missing most of the time, and an exception costs ten times as much as this test.
  return existsSync(file) ? readUsual(file) : null
}

/** Like `readFact`, for a fact that nearly always exists: testing for it first would double the work. */
export function readUsual(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trimEnd()
  } catch (error) {
    if (code(error) === 'ENOENT' || code(error) === 'ENOTDIR') return null
    throw new Temporary(`cannot read ${file}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}

/**
 * The text of a fact that a shepherd writes in place. Null when it is missing, or half written, which the missing
 * newline shows.
 */
export function readLine(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8')
    return text.endsWith('\n') ? text.slice(0, -1) : null
  } catch (error) {
    if (code(error) === 'ENOENT' || code(error) === 'ENOTDIR') return null
    throw new Temporary(`cannot read ${file}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}

/**
 * Writes NAME.<pid>.new, then renames it: a reader sees the old text or the new one, and two writers do not collide.
 * @throws Temporary when that fails
 */
export function writeFact(file: string, text: string): void {
  attempt(`write ${file}`, () => {
    const fresh = `${file}.${process.pid}.new`
    writeFileSync(fresh, `${text}\n`, { mode: 0o600 })
    renameSync(fresh, file)
  })
}

/**
 * Writes a fact that nobody needs once its directory is removed: a partition may be given back at any moment.
 * @returns whether it was written @throws Temporary when that fails although the directory exists
 */
export function writeFactIfWanted(file: string, text: string): boolean {
  try {
    writeFact(file, text)
    return true
  } catch (error) {
    if (existsSync(file.slice(0, file.lastIndexOf('/')))) throw error
    return false
  }
}

/**
 * Removes a fact; no error when it is already gone. A program is told the names of some, and may have made a directory
 * there: that must not keep the partition from being given back.
 */
export function removeFact(file: string): void {
  if (existsSync(file)) attempt(`remove ${file}`, () => rmSync(file, { recursive: true, force: true }))
}

/** Makes a directory that only this user can enter. */
export function makeDirectory(directory: string): void {
  attempt(`make ${directory}`, () => mkdirSync(directory, { recursive: true, mode: 0o700 }))
}

/** Makes such a directory below our own. A symbolic link in its place is replaced: our writes must not go elsewhere. */
export function makeOwnDirectory(directory: string): void {
  const isLink = lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink()
  if (isLink) attempt(`remove the link ${directory}`, () => unlinkSync(directory))
  makeDirectory(directory)
}

/** The names in a directory; none when it is missing. @throws Temporary when it cannot be read. */
export function namesIn(directory: string): string[] {
  return list(directory, () => readdirSync(directory))
}

/** The names of the directories in a directory. Symbolic links are left out, wherever they lead. */
export function directoriesIn(directory: string): string[] {
  return list(directory, () => readdirSync(directory, { withFileTypes: true }))
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
}

function list<T>(directory: string, read: () => T[]): T[] {
  try {
    return read()
  } catch (error) {
    if (code(error) === 'ENOENT') return []
    throw new Temporary(`cannot read ${directory}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}

/**
 * Runs a change to the state directory.
 * @throws Temporary that names the change when it fails (a full or read-only disk)
 */
export function attempt<T>(what: string, change: () => T): T {
  try {
    return change()
  } catch (error) {
    const isGone = code(error) === 'ENOENT'
    const todo = remedy(error, isGone ? gone : 'make room or mend the state directory')
    throw new Temporary(`cannot ${what}: ${reason(error)}; ${todo}`)
  }
}

const gone = 'its directory is missing: repair the state directory if this continues'
