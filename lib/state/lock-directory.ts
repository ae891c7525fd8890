/**
 * A lock directory that names its holder from the moment it is there, and that can be taken from a dead holder and from
 * nobody else, whoever is stopped or killed between two steps.
 *
 * It is made elsewhere, with one file in it, `<pid>-<start time>`, and renamed to its place. The system call does so
 * only if nothing is there or an empty directory. A dead holder's file is removed by its name, which no other holder
 * ever has; what is left is empty, and the first to rename has it.
 *
 * In the file stands `<boot id> <program> <until>`: by when the program ends itself, boot-clock ms, or `-`. So a process
 * that only has the pid and the start time of a holder is none, as where a state directory outlived a boot.
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
import { bootId } from '../base/clock.ts'
import { type Limit, ownLimit } from '../base/deadline.ts'
import { isAlive, type Process, processOf, programOf } from '../machine/identity.ts'
import { namesIn, readFact } from './facts.ts'

/** A process that holds a lock, and by when it will have ended itself. */
export interface Holder extends Process, Limit {}

/** Whose the lock is; null when it is nobody's. */
export function holderOf(directory: string): Holder | null {
  for (const name of namesIn(directory)) {
    const holder = holderNamed(directory, name)
    if (holder) return holder
  }
  return null
}

/** Null for what no living program of ours has written. */
function holderNamed(directory: string, name: string): Holder | null {
  const [, pid, start] = /^([1-9]\d*)-(\d+)$/.exec(name) ?? []
  const holder = start === undefined ? null : { pid: Number(pid), start }
  if (holder === null || !isAlive(holder)) return null
  const text = readFact(`${directory}/${name}`)
  if (text === '') return ofEarlierVersion(holder)
  const [boot, program = '-', until] = text?.split(' ') ?? []
  if (boot !== bootId()) return null
  return { ...holder, program, until: /^\d+$/.test(until ?? '') ? Number(until) : null }
}

/** ms: of the programs that hold a lock, the longest deadline is that of leave. */
const longestDeadline = 620_000

/** Earlier versions wrote nothing into the file: then the command line tells whether it is a program of ours. */
function ofEarlierVersion(holder: Process): Holder | null {
  const program = programOf(holder)
  return program === null ? null : { ...holder, program, until: Number(holder.start) * 10 + longestDeadline }
}

/** Takes the lock away from a holder that will never run on. */
export function takeFrom(directory: string, { pid, start }: Process): void {
  remove(() => unlinkSync(`${directory}/${pid}-${start}`))
}

/** What proper-lockfile makes and removes its directory with. */
export const lockDirectory = { mkdirSync: take, rmdirSync: giveBack, statSync, utimesSync, realpathSync }

/** @throws EEXIST when a living process holds it */
function take(directory: string): void {
  const own = ownName()
  for (const name of namesIn(directory)) {
    if (holderNamed(directory, name) === null) remove(() => unlinkSync(`${directory}/${name}`))
  }
  const fresh = `${directory}.${own}`
  mkdirSync(fresh, { mode: 0o700 })
  const { program, until } = ownLimit()
  try {
    writeFileSync(`${fresh}/${own}`, `${bootId()} ${program} ${until ?? '-'}`)
    renameSync(fresh, directory)
  } catch (error) {
    remove(() => unlinkSync(`${fresh}/${own}`))
    remove(() => rmdirSync(fresh))
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
