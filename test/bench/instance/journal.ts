/** What the workers wrote down: see worker.ts. */
import { openSync, readSync } from 'node:fs'

export interface Handling {
  readonly id: string
  readonly pid: number
  readonly from: number
  /** Infinity while it goes on. */
  to: number
}

/** Reads what was written since it looked last, and no line twice: to look must not take from what is measured. */
export class Journal {
  /** Every time that one process handled one partition, in the order in which they began. */
  readonly all: Handling[] = []
  /** By process and partition. */
  readonly #open = new Map<string, Handling>()
  readonly #file: number
  #rest = ''

  constructor(file: string) {
    this.#file = openSync(file, 'r')
  }

  /** Those that go on. */
  now(): Handling[] {
    const room = Buffer.alloc(1 << 20)
    for (let length = 1; length > 0; ) {
      length = readSync(this.#file, room)
      const lines = (this.#rest + room.toString('utf8', 0, length)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    }
    return [...this.#open.values()]
  }

  #take(line: string): void {
    const [at, pid, , what, id = ''] = line.split(' ')
    const key = `${pid} ${id}`
    if (what === 'begin') {
      const handling = { id, pid: Number(pid), from: Number(at), to: Number.POSITIVE_INFINITY }
      this.all.push(handling)
      this.#open.set(key, handling)
    } else {
      const handling = this.#open.get(key)
      if (handling) handling.to = Number(at)
      this.#open.delete(key)
    }
  }

  /** A process that is killed writes no end. */
  killed(pid: number, at: number): void {
    for (const handling of this.now()) {
      if (handling.pid !== pid) continue
      handling.to = at
      this.#open.delete(`${pid} ${handling.id}`)
    }
  }
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
