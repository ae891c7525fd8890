/**
 * What the processes of a partition use, from its control group and from /proc. Nothing here blocks on a process that
 * is stuck: `stat` and `fd` can be read while its memory is locked. Nothing throws but what says that the system cannot
 * look at all.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { goneOrHidden } from './identity.ts'

export interface Usage {
  /** Of all processes, also those that ended, ms. */
  readonly cpuMs?: number
  /** Bytes: the control group's, which counts files in the cache too; without its controller, resident memory. */
  readonly memory?: number
  readonly files?: number
  readonly threads?: number
  readonly processes: number
}

/** Processes beyond these are not looked at one by one: a partition may have thousands. */
const mostProcesses = 32
/** The kernel tells CPU times in hundredths of a second on every architecture, ms. */
const tickMs = 10

/**
 * @param pid the process that the shepherd started; null when none runs
 * @param group the path of its control group; null when it has none
 */
export function usageOf(pid: number | null, group: string | null): Usage {
  const listed = group === null ? null : read(`${group}/cgroup.procs`)
  const pids = listed === null ? family(pid) : numbers(listed)
  const some = pids.slice(0, mostProcesses)
  const sum = (of: (one: number) => number | null) => {
    const all = some.flatMap(one => of(one) ?? [])
    return all.length === 0 || pids.length > mostProcesses ? undefined : all.reduce((so, one) => so + one, 0)
  }
  const usage = {
    cpuMs: groupCpu(group) ?? sum(cpuOf),
    memory: numberIn(group, 'memory.current') ?? sum(residentOf),
    files: sum(openFiles),
    threads: numberIn(group, 'pids.current') ?? sum(threadsOf),
  }
  const known = Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== undefined))
  return { ...known, processes: pids.length }
}

const room = Buffer.allocUnsafe(16_384)

/** Up to 16 KiB of a file; null when it is gone or may not be read. */
function read(file: string): string | null {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'r')
    return room.toString('latin1', 0, readSync(descriptor, room, 0, room.length, 0))
  } catch (error) {
    return goneOrHidden(error)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function numbers(text: string): number[] {
  return text.split(/\s+/).flatMap(word => (/^[1-9]\d*$/.test(word) ? [Number(word)] : []))
}

function groupCpu(group: string | null): number | undefined {
  const text = group === null ? null : read(`${group}/cpu.stat`)
  const micro = text === null ? undefined : /^usage_usec (\d+)/m.exec(text)?.[1]
  return micro === undefined ? undefined : Number(micro) / 1000
}

function numberIn(group: string | null, name: string): number | undefined {
  const text = group === null ? null : read(`${group}/${name}`)
  return text !== null && /^\d+\s*$/.test(text) ? Number(text) : undefined
}

/** A process and its descendants, without a control group: those that the kernel lists as children. */
function family(pid: number | null): number[] {
  const found = pid === null ? [] : [pid]
  for (let at = 0; at < found.length && found.length <= mostProcesses; at++) {
    const one = found[at]
    found.push(...numbers(read(`/proc/${one}/task/${one}/children`) ?? ''))
  }
  return found
}

/** With the children that it has waited for. */
function cpuOf(pid: number): number | null {
  const fields = statFields(pid)
  return fields && [14, 15, 16, 17].reduce((sum, field) => sum + Number(fields[field - 3]), 0) * tickMs
}

function threadsOf(pid: number): number | null {
  const fields = statFields(pid)
  return fields && Number(fields[20 - 3])
}

function statFields(pid: number): string[] | null {
  const text = read(`/proc/${pid}/stat`)
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Resident memory in bytes: `stat` has it in pages, whose size differs between architectures. */
function residentOf(pid: number): number | null {
  const text = read(`/proc/${pid}/status`)
  const kilobytes = text === null ? undefined : /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

/** Since Linux 6.2 the size of the directory says how many there are. */
function openFiles(pid: number): number | null {
  try {
    return statSync(`/proc/${pid}/fd`).size || readdirSync(`/proc/${pid}/fd`).length
  } catch (error) {
    return goneOrHidden(error)
  }
}
