/** Identifies a process by pid and start time, so that another process that reuses the pid is never signalled. */
import { readFileSync } from 'node:fs'

export interface Process {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly start: string
}

/** When it started, boot clock, ms: the kernel counts hundredths of a second on every architecture. */
export function startMs({ start }: Process): number {
  return Number(start) * 10
}

/** A process with its place among the others: parent, process group and session, by pid. */
export interface Relative extends Process {
  readonly parent: number
  readonly group: number
  readonly session: number
  /** A kernel thread. */
  readonly isKernel: boolean
}

/** PF_KTHREAD in field 9 of /proc/PID/stat. */
const kernelThread = 0x200000

interface Stat extends Relative {
  readonly state: string
  readonly threads: number
}

/** Errors that say that the system cannot look at all. */
const cannotLook = ['EMFILE', 'ENFILE', 'ENOMEM', 'EIO']

/**
 * For a failed read in /proc: null, since the process is gone or hidden from us.
 * @throws the same error when the system cannot look at all: that says nothing about the process
 */
export function goneOrHidden(error: unknown): null {
  if (cannotLook.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  return null
}

/**
 * The fields of /proc/PID/stat from the third on. The second, the name in parentheses, may itself hold spaces and
 * parentheses.
 */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ', 20)
}

/** @param stat the text of /proc/PID/stat @returns the start time of that process */
export function startIn(stat: string): string | undefined {
  return fieldsOf(stat)[19]
}

/**
 * Null when /proc does not show the process: it is gone, or /proc is mounted with hidepid.
 * @throws when nothing can be read
 */
function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8') // Node reads utf8 faster
    const fields = fieldsOf(text)
    const [state = '', parent, group, session] = fields
    const isKernel = (Number(fields[6]) & kernelThread) !== 0
    const numbers = { parent: Number(parent), group: Number(group), session: Number(session), isKernel }
    return { pid, state, ...numbers, threads: Number(fields[17]), start: fields[19] as string }
  } catch (error) {
    return goneOrHidden(error)
  }
}

/** Parent, group and session of a live process; null when there is none, or only a zombie. */
export function relativeOf(pid: number): Relative | null {
  const stat = statOf(pid)
  return stat && !isDead(stat) ? stat : null
}

/** The process that has this pid now; null when there is none, or only a zombie. */
export function processOf(pid: number): Process | null {
  const stat = statOf(pid)
  return stat && !isDead(stat) ? { pid, start: stat.start } : null
}

/** The real (not effective) user of a process; null when it is gone. */
export function userOf(pid: number): number | null {
  try {
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
  } catch (error) {
    return goneOrHidden(error)
  }
}

/** The start time of the process with this pid, zombies included; null when there is none. */
export function startOf(pid: number): string | null {
  return statOf(pid)?.start ?? null
}

/** Reads `<pid> <start time>`; null for anything else. */
export function parseProcess(text: string | null): Process | null {
  const match = /^([1-9]\d{0,9}) (\d+)$/.exec(text ?? '')
  return match ? { pid: Number(match[1]), start: match[2] as string } : null
}

/** A zombie with other threads is not dead: only its main thread has ended. */
function isDead({ state, threads }: Stat): boolean {
  return (state === 'Z' || state === 'X') && !(threads > 1)
}

/**
 * `stopped` means held by SIGSTOP or a debugger, so that it cannot react to anything. A zombie counts as gone. A
 * process that /proc hides (hidepid) but the kernel knows counts as running: an unreadable entry does not prove
 * absence.
 */
export function stateOf(process: Process): 'running' | 'stopped' | 'gone' {
  const stat = statOf(process.pid)
  if (stat === null) return isKnown(process.pid) ? 'running' : 'gone'
  if (stat.start !== process.start || isDead(stat)) return 'gone'
  return /^[Tt]$/.test(stat.state) ? 'stopped' : 'running'
}

/** Whether the kernel has a process with this pid that /proc does not show. */
function isKnown(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return statOf(pid) === null // it may have started only now
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' && statOf(pid) === null
  }
}

/** Running or stopped. */
export function isAlive(process: Process): boolean {
  return stateOf(process) !== 'gone'
}

export function isStopped(process: Process): boolean {
  return stateOf(process) === 'stopped'
}

/**
 * Signals exactly this process; with `group`, its whole process group, which it must lead.
 * @returns false when it is gone, belongs to another user, or another process may have its pid
 */
export function signal(target: Process, name: NodeJS.Signals, group = false): boolean {
  // kill(-1) would signal every process, and process 1 is never ours.
  if (target.pid <= 1 || processOf(target.pid)?.start !== target.start) return false
  try {
    process.kill(group ? -target.pid : target.pid, name)
    return true
  } catch (error) {
    if (['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** The process that started this one, by pid and start time. */
export function parentProcess(): Process | null {
  return processOf(process.ppid)
}

/** Our programs that may hold a lock of an instance. */
const ours =
  /(?:^|\/)(on-service|on-keyprefix|on-checks|reconcile|attend|sync|scheduler|leave|guard)\.(?:ts|js|cjs|mjs)$/

/** Which of our programs a process runs, by its command line; null when it runs none. */
export function programOf({ pid }: Process): string | null {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.flatMap(word => ours.exec(word)?.[1] ?? [])[0] ?? null
  } catch (error) {
    return goneOrHidden(error)
  }
}
