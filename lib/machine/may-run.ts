/** Whether another user may run a program, by the permission bits: those of the file, and of each directory above it. */
import { closeSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { isProgram } from './is-program.ts'
import type { Account } from './users.ts'

const [read, execute] = [4, 1]

/** Why not, in words; null when it may. Access control lists and capabilities are not seen. */
export function whyNotRun(file: string, user: Account): string | null {
  const path = realpathSync(file)
  for (const directory of directoriesAbove(path))
    if (!may(statSync(directory), user, execute)) return `user ${user.uid} may not enter ${directory}`
  if (!may(statSync(path), user, execute)) return `user ${user.uid} may not execute it`
  const interpreter = interpreterOf(path)
  if (interpreter === null) return null
  if (!isProgram(interpreter)) return `its first line names ${interpreter}, which is no program here`
  return may(statSync(path), user, read) ? null : `it is a script, and user ${user.uid} may not read it`
}

/** From the root down. */
function directoriesAbove(path: string): string[] {
  const above = dirname(path)
  return above === path ? [] : [...directoriesAbove(above), above]
}

/** Root passes everything, except that some bit must say that a file is a program. */
function may({ uid, gid, mode }: Stats, user: Account, bit: number): boolean {
  if (user.uid === 0) return bit !== execute || (mode & 0o111) !== 0 || (mode & 0o040000) !== 0
  if (user.uid === uid) return (mode & (bit << 6)) !== 0
  if (user.groups.includes(gid)) return (mode & (bit << 3)) !== 0
  return (mode & bit) !== 0
}

/** Of a script; null for what is none, or cannot be read. */
function interpreterOf(path: string): string | null {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const bytes = Buffer.alloc(128)
    const text = bytes.toString('latin1', 0, readSync(descriptor, bytes))
    return /^#![ \t]*(\/[^\s]*)/.exec(text)?.[1] ?? null
  } catch {
    return null
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
