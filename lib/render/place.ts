/**
 * Puts a text in the place of a file: candidate beside it, mode and owner, fsync, check, backup, rename; then fsync of the directory,
 * once for all files in it.
 * Whenever this ends, the file is whole: the old one or the new one.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Render } from '../definition/definition.ts'
import { type Owner, ownerOf } from './owner.ts'
import type { Wanted } from './wanted.ts'

/** A file that differs from what is wanted. */
export interface Change {
  readonly wanted: Wanted
  /** Where it is written: the file itself, also where `dest` is a link to it. */
  readonly file: string
  readonly owner: Owner | null
  /** The text that is there now; null when there is no file. */
  readonly before: string | null
}

/**
 * What has to be changed for a file; null when nothing. Reads only.
 * @throws Error that says why nothing may be written there
 */
export function changeOf(wanted: Wanted): Change | null {
  const { render, dest, text } = wanted
  const file = targetOf(dest, render)
  const owner = render.owner === undefined ? null : ownerOf(render.owner)
  const there = lstatSync(file, { throwIfNoEntry: false })
  if (there === undefined) {
    if (!existsSync(dirname(file))) throw new Error(`there is no directory ${dirname(file)}; make it`)
    return { wanted, file, owner, before: null }
  }
  if (!there.isFile()) throw new Error('what is there is no file; remove it, or choose another dest')
  const before = readFileSync(file, 'utf8')
  return before === text && isAsWanted(there, render, owner) ? null : { wanted, file, owner, before }
}

function targetOf(dest: string, { follow }: Render): string {
  const isLink = lstatSync(dest, { throwIfNoEntry: false })?.isSymbolicLink()
  if (!isLink) return dest
  if (!follow) throw new Error('a symbolic link is there; remove it, or say "follow": true')
  return realpathSync(dest)
}

function isAsWanted({ mode, uid, gid }: Stats, render: Render, owner: Owner | null): boolean {
  return (mode & 0o7777) === render.mode && (owner === null || (owner.uid === uid && owner.gid === gid))
}

/** The candidate lies beside the file, so that the rename is atomic. A name that no `*.conf` takes in. */
export function candidateOf(file: string): string {
  return `${dirname(file)}/.${basename(file)}.watchbill-new`
}

/** @returns the candidate, whole and on disk @throws Error; then there is none */
export function writeCandidate({ wanted: { text, render }, file, owner }: Change): string {
  const candidate = candidateOf(file)
  try {
    rmSync(candidate, { force: true }) // of a render that was killed
    // Nobody else can have made it, or put a link there, when this succeeds.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const descriptor = openSync(candidate, flags, 0o600)
    try {
      writeFileSync(descriptor, text)
      if (owner !== null) fchownSync(descriptor, owner.uid, owner.gid)
      fchmodSync(descriptor, render.mode)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    return candidate
  } catch (error) {
    rmSync(candidate, { force: true })
    throw error
  }
}

/** Keeps the file that is there as a backup, and puts the candidate in its place. The directory is still to be synced. */
export function putInPlace({ wanted: { render }, file, before }: Change, candidate: string): void {
  if (before !== null && render.backups > 0) backUp(file, render.backups)
  renameSync(candidate, file)
  // Of a definition that wanted more of them.
  for (let number = render.backups + 1; existsSync(backupOf(file, number)); number++) rmSync(backupOf(file, number))
}

/** The newest is number 1. */
export function backupOf(file: string, number: number): string {
  return `${dirname(file)}/.${basename(file)}.watchbill-${number}`
}

function backUp(file: string, most: number): void {
  for (let number = most - 1; number >= 1; number--)
    if (existsSync(backupOf(file, number))) renameSync(backupOf(file, number), backupOf(file, number + 1))
  rmSync(backupOf(file, 1), { force: true }) // of a render that was killed between the two
  try {
    linkSync(file, backupOf(file, 1)) // the file itself stays where it is until the rename
  } catch {
    copyFileSync(file, backupOf(file, 1)) // a file system without links
    chmodSync(backupOf(file, 1), lstatSync(file).mode & 0o7777)
  }
}

/** Removes a file that is no longer wanted. A link is nothing that was rendered, and is left. The directory is still to be synced. @returns whether a file was there */
export function removeFile(file: string): boolean {
  if (!lstatSync(file, { throwIfNoEntry: false })?.isFile()) return false
  rmSync(file)
  return true
}

/** From then on the renames in it outlast a loss of power. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
