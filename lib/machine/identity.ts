/** Who a process is: its pid and its start time, so that a recycled pid is never taken for it and never signalled. */
import { readFileSync } from 'node:fs'

export interface Process {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly start: string
}

/** A process with its place among the others: parent, process group and session, by pid. */
export interface Relative extends Process {
  readonly parent: number
  readonly group: number
  readonly session: number
  /** A thread of the kernel's, which is nobody's. */
  readonly isKernel: boolean
}

/** PF_KTHREAD in field 9 of /proc/PID/stat. */
const kernelThread = 0x200000

interface Stat extends Relative {
  readonly state: string
  readonly threads: number
}

/** What the system answers when it cannot look at all. */
const cannotLook = ['EMFILE', 'ENFILE', 'ENOMEM', 'EIO']

/**
 * For who could not read what /proc says of a process: it is gone, or hidden from us.
 * @throws what was caught, when the system cannot look: that says nothing of the process
 */
export function goneOrHidden(error: unknown): null {
  if (cannotLook.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  return null
}

/** Of /proc/PID/stat, from the third on. The name before them stands in parentheses and may hold spaces and parentheses. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ', 20)
}

/** @param stat what /proc/PID/stat says @returns when that process was started */
export function startIn(stat: string): string | undefined {
  return fieldsOf(stat)[19]
}

/** null when /proc does not show it: it is gone, or /proc is mounted with hidepid. @throws when nothing can be read */
function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8') // for which Node has a fast way
    const fields = fieldsOf(text)
    const [state = '', parent, group, session] = fields
    const isKernel = (Number(fields[6]) & kernelThread) !== 0
    const numbers = { parent: Number(parent), group: Number(group), session: Number(session), isKernel }
    return { pid, state, ...numbers, threads: Number(fields[17]), start: fields[19] as string }
  } catch (error) {
    return goneOrHidden(error)
  }
}

/** The same of one that lives; null when there is none, or only a zombie. */
export function relativeOf(pid: number): Relative | null {
  const stat = statOf(pid)
  return stat && !isDead(stat) ? stat : null
}

/** The process that has this pid now; null when there is none, or only a zombie. */
export function processOf(pid: number): Process | null {
  const stat = statOf(pid)
  return stat && !isDead(stat) ? { pid, start: stat.start } : null
}

/** The real user of a process, whoever it acts as; null when it is gone. */
export function userOf(pid: number): number | null {
  try {
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
  } catch (error) {
    return goneOrHidden(error)
  }
}

/** When whatever has this pid was started, dead or alive; null when nothing has it. */
export function startOf(pid: number): string | null {
  return statOf(pid)?.start ?? null
}

/** Reads `<pid> <start time>`; null for anything else. */
export function parseProcess(text: string | null): Process | null {
  const match = /^([1-9]\d{0,9}) (\d+)$/.exec(text ?? '')
  return match ? { pid: Number(match[1]), start: match[2] as string } : null
}

/** A zombie whose other threads go on is not dead: only its main thread ended. */
function isDead({ state, threads }: Stat): boolean {
  return (state === 'Z' || state === 'X') && !(threads > 1)
}

/**
 * How it is: `stopped` when it is held by SIGSTOP or a debugger, so that it cannot react to anything. A zombie counts as
 * gone. One that /proc hides (hidepid) and the kernel knows counts as running: what cannot be read is no proof of absence.
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
    return statOf(pid) === null // it may have come only now
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' && statOf(pid) === null
  }
}

/** It runs, or is stopped. */
export function isAlive(process: Process): boolean {
  return stateOf(process) !== 'gone'
}

export function isStopped(process: Process): boolean {
  return stateOf(process) === 'stopped'
}

/**
 * Signals exactly this process. `group` signals its whole process group, which it must lead.
 * @returns false when it is gone, cannot be told from another with its pid, or is another user's
 */
export function signal(target: Process, name: NodeJS.Signals, group = false): boolean {
  // kill(-1) would hit everybody, and process 1 is never ours.
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

/** Those of our programs that may hold a lock of an instance. */
const ours = /(?:^|\/)(on-service|on-keyprefix|on-checks|reconcile|attend|sync|leave|guard)\.(?:ts|js|cjs|mjs)$/

/** Which program of ours a process runs, by its command line; null when it is none. */
export function programOf({ pid }: Process): string | null {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.flatMap(word => ours.exec(word)?.[1] ?? [])[0] ?? null
  } catch (error) {
    return goneOrHidden(error)
  }
}
