/**
 * The mark of a partition: a random number that everything bears which comes from its process.
 *
 * It stands in two places. In the environment, as WATCHBILL_MARK. And as RLIMIT_LOCKS, the limit on file locks, which
 * Linux has not enforced since 2.4. Every descendant inherits that limit through fork, exec, setsid and set-uid. A
 * program that clears its environment, or writes its title over it, keeps the limit; so does one in the middle of an
 * exec. And everybody may read it, in /proc/PID/limits, also of a program with capabilities, whose environment only
 * root can read.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { goneOrHidden } from './identity.ts'

/** The variable that holds the mark of a partition, and the one that holds those of locks, the innermost last. */
export const markVariable = 'WATCHBILL_MARK'
export const lockMarksVariable = 'WATCHBILL_ACQUISITIONS'
/** The partition's state directory. Releases that knew no mark knew their processes by it. */
const directoryVariable = 'WATCHBILL_DIR'

/** 18 digits: a shell and the kernel take it for a number, and no other limit is that high by chance. */
export function randomMark(): string {
  return `1${randomDigits(17)}`
}

/** The same for a lock inside a partition, which may only lower the limit that it came with: 16 digits. */
export function innerMark(): string {
  return `1${randomDigits(15)}`
}

/** What could be a mark; null for any other text, which must not be looked for: an empty one stands everywhere. */
export function asMark(text: string | null): string | null {
  return text !== null && /^1\d{15,17}$/.test(text) ? text : null
}

function randomDigits(count: number): string {
  const digits = readFileSync('/proc/sys/kernel/random/uuid', 'latin1').replace(/\D/g, '')
  return digits.slice(0, count).padStart(count, '0')
}

/** Read into one buffer for all: readFileSync would take three times as long, for it makes one of 64 KiB for each. */
let room = Buffer.allocUnsafe(1 << 16)

/** Until the next call; null when it is gone, or may not be read. @throws when the system cannot look at all */
function readProc(pid: string, name: string): Buffer | null {
  let file: number | undefined
  try {
    file = openSync(`/proc/${pid}/${name}`, 'r')
    let length = 0
    for (let read = 1; read > 0; length += read) {
      if (length === room.length) room = Buffer.concat([room], 2 * length)
      read = readSync(file, room, length, room.length - length, null)
    }
    return room.subarray(0, length)
  } catch (error) {
    return goneOrHidden(error)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const locksLine = Buffer.from('\nMax file locks')

/** The limit on file locks, soft and hard, as text: numbers, or `unlimited`. None when it cannot be read. */
export function locksLimit(pid: string): string[] {
  const limits = readProc(pid, 'limits')
  const at = limits?.indexOf(locksLine) ?? -1
  if (limits === null || at < 0) return []
  return limits
    .toString('latin1', at + locksLine.length, at + 80)
    .trimStart()
    .split(/\s+/, 2)
}

/** Pids of processes that are known to have no environment. */
const withoutEnvironment = new Set<string>()

/**
 * Until the next call. A process that is just becoming another program has no environment for a moment, and must not be
 * taken for one without a mark.
 */
function environmentOf(pid: string): Buffer | null {
  for (let left = 5; ; left--) {
    const environment = readProc(pid, 'environ')
    if (environment === null || environment.length > 0 || withoutEnvironment.has(pid)) return environment
    if (left === 0 || !hasMemory(pid)) {
      withoutEnvironment.add(pid)
      return environment
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
}

/** A kernel thread has none, nor has a zombie. */
function hasMemory(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[20] !== '0'
  } catch (error) {
    return goneOrHidden(error) !== null
  }
}

/** What a process bears in its environment; another user's, or a protected one's, cannot be read, and counts as nothing. */
export interface Environment {
  readonly marks: readonly string[]
  readonly directory: string | null
}

export function bornIn(pid: string): Environment {
  const environment = environmentOf(pid)
  if (environment === null) return { marks: [], directory: null }
  const own = variableIn(environment, markVariable)
  const locks = variableIn(environment, lockMarksVariable)
  return {
    marks: [own, ...(locks?.split(' ') ?? [])].flatMap(mark => asMark(mark) ?? []),
    directory: variableIn(environment, directoryVariable),
  }
}

function variableIn(environment: Buffer, name: string): string | null {
  const needle = `${name}=`
  for (let at = environment.indexOf(needle); at >= 0; at = environment.indexOf(needle, at + 1)) {
    if (at !== 0 && environment[at - 1] !== 0) continue
    const end = environment.indexOf(0, at)
    return environment.toString('utf8', at + needle.length, end < 0 ? environment.length : end)
  }
  return null
}

/** A process, and how many had ever been started on this machine before it. */
export interface Since {
  readonly pid: number
  readonly forks: number
}

export function forksSoFar(): number {
  return Number(/^processes (\d+)/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1])
}

/**
 * The lowest pid that a later process can have. Pids go up, over those in use, until they begin anew at kernel.pid_max.
 * @param now how many were started since boot, how many tasks there are, and kernel.pid_max
 */
export function lowestPid(since: Since, now: { forks: number; tasks: number; most: number }): number {
  const highest = since.pid + (now.forks - since.forks) + 2 * now.tasks
  return highest < now.most ? since.pid : 0 // also when one of them is no number
}

function lowestNow(since: Since): number {
  const tasks = Number(/\/(\d+) /.exec(readFileSync('/proc/loadavg', 'latin1'))?.[1])
  const most = Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1'))
  return lowestPid(since, { forks: forksSoFar(), tasks, most })
}

/**
 * The pids of this machine.
 * @param since only those that were started after it: to look at all of some hundred takes as long as Node's start
 */
export function pidsSince(since: Since | null): number[] {
  const lowest = since === null ? 0 : lowestNow(since)
  return readdirSync('/proc').flatMap(name => {
    const pid = Number(name)
    return pid >= lowest && pid > 0 ? [pid] : []
  })
}
