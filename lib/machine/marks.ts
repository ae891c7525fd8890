/**
 * The mark of a partition: a random number that its process and all descendants of that process carry.
 *
 * The mark is in two places: in the environment, as WATCHBILL_MARK, and in RLIMIT_LOCKS, the limit on file locks, which
 * Linux has not enforced since 2.4. Every descendant inherits that limit through fork, exec, setsid and set-uid. A
 * program that clears its environment, or overwrites it with its title, keeps the limit; so does a program in the
 * middle of an exec. Everybody may read the limit in /proc/PID/limits, even that of a program with capabilities, whose
 * environment only root can read.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { goneOrHidden } from './identity.ts'

/** The variables that hold the mark of a partition, and the marks of locks, the innermost lock last. */
export const markVariable = 'WATCHBILL_MARK'
export const lockMarksVariable = 'WATCHBILL_ACQUISITIONS'
/** The partition's state directory. Releases without marks identified their processes by it. */
const directoryVariable = 'WATCHBILL_DIR'

/** 18 digits: a shell and the kernel can hold the number, and no other limit is that high by chance. */
export function randomMark(): string {
  return `1${randomDigits(17)}`
}

/** The mark of a lock inside a partition: 16 digits, because a process may only lower the limit that it inherited. */
export function innerMark(): string {
  return `1${randomDigits(15)}`
}

/**
 * The text when it can be a mark, otherwise null. An empty mark must never be searched for: it would match everywhere.
 */
export function asMark(text: string | null): string | null {
  return text !== null && /^1\d{15,17}$/.test(text) ? text : null
}

function randomDigits(count: number): string {
  const digits = readFileSync('/proc/sys/kernel/random/uuid', 'latin1').replace(/\D/g, '')
  return digits.slice(0, count).padStart(count, '0')
}

/** One buffer for all reads: readFileSync allocates 64 KiB per read and takes three times as long. */
let room = Buffer.allocUnsafe(1 << 16)

/**
 * The result is valid until the next call; null when the process is gone or may not be read.
 * @throws when the system cannot look at all
 */
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

/** Pids known to have no environment. */
const withoutEnvironment = new Set<string>()

/**
 * The result is valid until the next call. A process in the middle of an exec has no environment for a moment; it must
 * not be taken for a process without a mark, so the read is repeated.
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

/** A kernel thread and a zombie have no memory. */
function hasMemory(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[20] !== '0'
  } catch (error) {
    return goneOrHidden(error) !== null
  }
}

/**
 * What the environment of a process says. The environment of another user's or a protected process is unreadable and
 * counts as empty.
 */
export interface Environment {
  readonly marks: readonly string[]
  readonly directory: string | null
}

export function traitsInEnvironment(pid: string): Environment {
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

/** How many processes were ever started on this machine, without the forks that failed. */
export function forksSoFar(): number {
  return Number(/^processes (\d+)/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1])
}

/** The pids of this machine. @throws when they cannot be listed */
export function allPids(): number[] {
  return readdirSync('/proc').flatMap(name => {
    const pid = Number(name)
    return pid > 0 ? [pid] : []
  })
}
