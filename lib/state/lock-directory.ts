/**
 * A lock directory that names its holder from the moment it is there, and that can be taken from a dead holder and from
 * nobody else, whoever is stopped or killed between two steps.
 *
 * It is made elsewhere, with one file in it, `<pid>-<start time>`, and renamed to its place. The system call does so
 * only if nothing is there or an empty directory. A dead holder's file is removed by its name, which no other holder
 * ever has; what is left is empty, and the first to rename has it.
 */
import {
  mkdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { isAlive, type Process, processOf } from '../process/identity.ts'
import { namesIn } from './facts.ts'

/** Whose the lock is; null when it is nobody's. */
export function holderOf(directory: string): Process | null {
  for (const name of namesIn(directory)) {
    const holder = parse(name)
    if (holder && isAlive(holder)) return holder
  }
  return null
}

function parse(name: string): Process | null {
  const match = /^([1-9]\d*)-(\d+)$/.exec(name)
  return match ? { pid: Number(match[1]), start: match[2] as string } : null
}

/** What proper-lockfile makes and removes its directory with. */
export const lockDirectory = { mkdirSync: take, rmdirSync: giveBack, statSync, utimesSync, realpathSync }

/** @throws EEXIST when a living process holds it */
function take(directory: string): void {
  const own = ownName()
  for (const name of namesIn(directory)) {
    const holder = parse(name)
    if (holder && !isAlive(holder)) remove(() => unlinkSync(`${directory}/${name}`))
  }
  const fresh = `${directory}.${own}`
  mkdirSync(fresh, { mode: 0o700 })
  writeFileSync(`${fresh}/${own}`, '')
  try {
    renameSync(fresh, directory)
  } catch (error) {
    unlinkSync(`${fresh}/${own}`)
    rmdirSync(fresh)
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ENOTEMPTY' ? Object.assign(new Error('another handler holds it'), { code: 'EEXIST' }) : error
  }
}

/** Whoever comes next may have it as soon as our name is gone. */
function giveBack(directory: string): void {
  remove(() => unlinkSync(`${directory}/${ownName()}`))
  remove(() => rmdirSync(directory))
}

function remove(removal: () => void): void {
  try {
    removal()
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

function ownName(): string {
  const self = processOf(process.pid)
  return `${self?.pid}-${self?.start}`
}
