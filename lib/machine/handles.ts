/**
 * Processes that stay known where nothing can be opened any more (EMFILE, ENFILE, ENOMEM): /proc/PID/stat of each is kept
 * open. Such a file can be read again without a new descriptor. It tells of that very process: when it has ended the
 * system answers ESRCH, whoever has its pid by then.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { type Process, startIn } from './identity.ts'

/** So many descriptors are taken at the most: a command may have thousands of processes. */
const most = 256

const room = Buffer.alloc(4096)

export class Handles {
  readonly #files = new Map<number, number>()

  /** Those that are kept from here on. One that cannot be opened now is left to the next time. */
  keep(living: readonly Process[]): void {
    const wanted = new Set(living.slice(0, most).map(({ pid }) => pid))
    for (const [pid, file] of this.#files) if (!wanted.has(pid) || !isThere(file)) this.#drop(pid, file)
    for (const one of living.slice(0, most)) if (!this.#files.has(one.pid)) this.#open(one)
  }

  /** To those that have not ended. */
  signal(name: NodeJS.Signals): void {
    for (const [pid, file] of this.#files) {
      if (!isThere(file)) continue
      try {
        process.kill(pid, name)
      } catch {
        // It ended since, or has become another user's.
      }
    }
  }

  #open({ pid, start }: Process): void {
    let file: number | undefined
    try {
      file = openSync(`/proc/${pid}/stat`, 'r')
      if (startIn(textOf(file)) === start) this.#files.set(pid, file)
      else closeSync(file)
    } catch {
      if (file !== undefined) closeSync(file)
    }
  }

  #drop(pid: number, file: number): void {
    this.#files.delete(pid)
    closeSync(file)
  }
}

function textOf(file: number): string {
  return room.toString('latin1', 0, readSync(file, room, 0, room.length, 0))
}

/** Also a zombie is there: a signal to it does no harm. */
function isThere(file: number): boolean {
  try {
    return textOf(file) !== ''
  } catch {
    return false // ESRCH
  }
}
