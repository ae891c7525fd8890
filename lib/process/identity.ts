/** Who a process is: its pid and its start time, so that a recycled pid is never taken for it and never signalled. */
import { readFileSync } from 'node:fs'

export interface Process {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly start: string
}

interface Stat {
  readonly state: string
  readonly parent: number
  readonly start: string
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8') // for which Node has a fast way
    // The command's name stands in parentheses and may hold spaces and parentheses itself.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20)
    return { state: fields[0] as string, parent: Number(fields[1]), start: fields[19] as string }
  } catch {
    return null // no such process: that is what was asked
  }
}

/** The process that has this pid now; null when there is none, or only a zombie. */
export function processOf(pid: number): Process | null {
  const stat = statOf(pid)
  return stat && !isDead(stat) ? { pid, start: stat.start } : null
}

/** Reads `<pid> <start time>`; null for anything else. */
export function parseProcess(text: string | null): Process | null {
  const match = /^([1-9]\d{0,9}) (\d+)$/.exec(text ?? '')
  return match ? { pid: Number(match[1]), start: match[2] as string } : null
}

function isDead(stat: Stat): boolean {
  return stat.state === 'Z' || stat.state === 'X'
}

/**
 * How it is: `stopped` when it is held by SIGSTOP or a debugger, so that it cannot react to anything. A zombie counts as
 * gone.
 */
export function stateOf(process: Process): 'running' | 'stopped' | 'gone' {
  const stat = statOf(process.pid)
  if (stat === null || stat.start !== process.start || isDead(stat)) return 'gone'
  return /^[Tt]$/.test(stat.state) ? 'stopped' : 'running'
}

/** It runs, or is stopped. */
export function isAlive(process: Process): boolean {
  return stateOf(process) !== 'gone'
}

export function isStopped(process: Process): boolean {
  return stateOf(process) === 'stopped'
}

/** Signals exactly this process; false when it is gone. `group` signals its whole process group, which it must lead. */
export function signal(target: Process, name: NodeJS.Signals, group = false): boolean {
  // kill(-1) would hit everybody, and process 1 is never ours.
  if (target.pid <= 1 || !isAlive(target)) return false
  try {
    process.kill(group ? -target.pid : target.pid, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
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
  } catch {
    return null // gone
  }
}
