/**
 * Every process that belongs to a partition carries WATCHBILL_DIR, the partition's state directory, in its
 * environment. That finds descendants that left the process group, and those whose pid nobody wrote down.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { type Process, processOf, signal } from './identity.ts'

/** The variable's name. Shepherds do not carry it themselves. */
export const mark = 'WATCHBILL_DIR'

const needle = Buffer.from(`${mark}=`)

/** Read into one buffer for all: readFileSync would take three times as long, for it makes one of 64 KiB for each. */
let room = Buffer.allocUnsafe(1 << 16)

/** Those of which it is known that they have none. */
const bare = new Set<string>()

/**
 * Until the next call. A process that is just becoming another program has no environment for a moment, and must not be
 * taken for one that is gone.
 */
function environmentOf(pid: string): Buffer | null {
  for (let left = 5; ; left--) {
    const environment = readEnvironment(pid)
    if (environment === null || environment.length > 0 || bare.has(pid)) return environment
    if (left === 0 || !hasMemory(pid)) {
      bare.add(pid)
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
  } catch {
    return false // gone
  }
}

function readEnvironment(pid: string): Buffer | null {
  let file: number | undefined
  try {
    file = openSync(`/proc/${pid}/environ`, 'r')
    let length = 0
    for (let read = 1; read > 0; length += read) {
      if (length === room.length) room = Buffer.concat([room], 2 * length)
      read = readSync(file, room, length, room.length - length, null)
    }
    return room.subarray(0, length)
  } catch {
    return null // gone, or another user's: nothing that we started
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function markOf(pid: string): string | null {
  const environment = environmentOf(pid)
  if (environment === null) return null
  for (let at = environment.indexOf(needle); at >= 0; at = environment.indexOf(needle, at + 1)) {
    if (at !== 0 && environment[at - 1] !== 0) continue
    const end = environment.indexOf(0, at)
    return environment.toString('utf8', at + needle.length, end < 0 ? environment.length : end)
  }
  return null
}

/** The living processes of each partition directory below `root`. Zombies have no environment, so they count as gone. */
export function markedProcesses(root: string): Map<string, Process[]> {
  const found = new Map<string, Process[]>()
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const directory = markOf(pid)
    if (!directory?.startsWith(`${root}/`)) continue
    const process = processOf(Number(pid))
    if (process) found.set(directory, [...(found.get(directory) ?? []), process])
  }
  return found
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
 * The living processes in whose environment a text stands that is too long to stand there by chance.
 * @param since the first that can have it: to look at all of some hundred processes takes as long as Node's start
 */
export function bearersOf(text: string, since: Since | null): Process[] {
  const lowest = since === null ? 0 : lowestNow(since)
  return readdirSync('/proc').flatMap(name => {
    const pid = Number(name)
    if (!(pid >= lowest) || !environmentOf(name)?.includes(text)) return []
    return processOf(pid) ?? []
  })
}

/** SIGKILLs every process of these partition directories; tells how many it found. */
export function killMarked(root: string, directories: ReadonlySet<string>): number {
  let killed = 0
  for (const [directory, processes] of markedProcesses(root)) {
    if (!directories.has(directory)) continue
    for (const process of processes) if (signal(process, 'SIGKILL')) killed++
  }
  return killed
}
