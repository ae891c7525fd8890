/** What the workers wrote down: see worker.ts. */
import { readFileSync } from 'node:fs'

export interface Handling {
  readonly id: string
  readonly pid: number
  readonly from: number
  /** Infinity while it goes on. */
  to: number
}

/** Every time that one process handled one partition, in the order in which they began. */
export function handlings(file: string): Handling[] {
  const all: Handling[] = []
  const last = new Map<string, Handling>()
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [at, pid, , what, id = ''] = line.split(' ')
    const key = `${pid} ${id}`
    if (what === 'begin') {
      const handling = { id, pid: Number(pid), from: Number(at), to: Number.POSITIVE_INFINITY }
      all.push(handling)
      last.set(key, handling)
    } else {
      const handling = last.get(key)
      if (handling) handling.to = Number(at)
    }
  }
  return all
}

/** A process that was killed wrote no end. */
export function killed(all: readonly Handling[], pid: number, at: number): void {
  for (const handling of all) if (handling.pid === pid && handling.to > at) handling.to = at
}

/** How many pairs had the same partition at the same time. */
export function overlapping(all: readonly Handling[]): number {
  let found = 0
  for (const same of Map.groupBy(all, ({ id }) => id).values()) {
    for (const [at, one] of same.entries())
      found += same.slice(at + 1).filter(other => other.from < one.to && one.from < other.to).length
  }
  return found
}
