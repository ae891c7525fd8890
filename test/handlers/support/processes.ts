/**
 * Which processes of a partition run, seen by a test: by the mark WATCHBILL_DIR in /proc/PID/environ alone, without any
 * of the code under test.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** By partition: the pids that carry its mark and whose parent does not. Zombies have no environment. */
export function rootsByDirectory(partitions: string): Map<string, number[]> {
  const marks = new Map<number, string>()
  for (const pid of pids()) {
    const directory = variable(pid, 'WATCHBILL_DIR')
    if (directory !== null && dirname(directory) === partitions) marks.set(pid, directory)
  }
  const roots = [...marks].filter(([pid, directory]) => {
    const parent = parentOf(pid)
    return parent !== null && marks.get(parent) !== directory
  })
  const found = Map.groupBy(roots, ([, directory]) => decodeURIComponent(basename(directory)))
  return new Map(Array.from(found, ([partition, entries]) => [partition, entries.map(([pid]) => pid)]))
}

export function pids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** A variable in the environment that a process was started with; null when it has none, or is gone. */
export function variable(pid: number, name: string): string | null {
  const entry = read(`/proc/${pid}/environ`)
    .split('\0')
    .find(entry => entry.startsWith(`${name}=`))
  return entry?.slice(name.length + 1) ?? null
}

/** null when it is gone. */
export function parentOf(pid: number): number | null {
  const parent = /^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1]
  return parent === undefined ? null : Number(parent)
}

/** R, S, T, Z, …; null when it is gone. */
export function stateOf(pid: number): string | null {
  return /^State:\s+(\w)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? null
}

/** There, and no zombie. */
export function lives(pid: number): boolean {
  return !['Z', 'X', null].includes(stateOf(pid))
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // it ended meanwhile
  }
}
