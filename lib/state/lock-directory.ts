/**
 * A lock directory that names its holder from the moment it exists. It can be taken from a dead holder and from nobody
 * else, even when programs are stopped or killed between any two steps.
 *
 * The directory is made elsewhere, with one file in it, `<pid>-<start time>`, and renamed into place. The system call
 * succeeds only when there is nothing or an empty directory. To take the lock from a dead holder, its file is removed
 * by name; no other holder ever has that name. The directory is then empty, and the first program to rename its own
 * gets the lock.
 *
 * The file holds `<boot id> <program> <until>`: the time by which the program ends itself, boot-clock ms, or `-`. So a
 * process that only has the same pid and start time as a holder does not count as one, for example when a state
 * directory outlived a boot.
 */
import { mkdirSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { bootId } from '../base/clock.ts'
import { type Limit, ownLimit } from '../base/deadline.ts'
import { isAlive, type Process, processOf, programOf } from '../machine/identity.ts'
import { namesIn, readFact } from './facts.ts'

/** A process that holds a lock, and the time by which it will have ended itself. */
export interface Holder extends Process, Limit {}

/** The holder of the lock; null when it is free. */
export function holderOf(directory: string): Holder | null {
  for (const name of namesIn(directory)) {
    const holder = holderNamed(directory, name)
    if (holder) return holder
  }
  return null
}

/** Null when no live program of ours wrote the name. */
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

/** The longest deadline of all programs that hold a lock, that of `leave`, ms. */
const longestDeadline = 620_000

/** Earlier versions wrote an empty file: the command line tells whether the process is a program of ours. */
function ofEarlierVersion(holder: Process): Holder | null {
  const program = programOf(holder)
  return program === null ? null : { ...holder, program, until: Number(holder.start) * 10 + longestDeadline }
}

/** Takes the lock away from a holder that will never run again. */
export function takeFrom(directory: string, { pid, start }: Process): void {
  remove(() => unlinkSync(`${directory}/${pid}-${start}`))
}

/** Takes the lock. @throws EEXIST when a living process holds it; otherwise the file system's error */
export function takeLock(directory: string): void {
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

/** The next program may take the lock as soon as our name is removed. */
export function giveLockBack(directory: string): void {
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
