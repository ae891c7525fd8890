/**
 * Identifies processes even when no file can be opened (EMFILE, ENFILE, ENOMEM): /proc/PID/stat of each stays open, and
 * reading it again needs no new descriptor. An open stat file belongs to that very process: once it has ended, reads
 * fail with ESRCH, even when another process has its pid.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { type Process, startIn } from './identity.ts'

/** The most descriptors that are kept open: a command may have thousands of processes. */
const most = 256

const room = Buffer.alloc(4096)

export class Handles {
  readonly #files = new Map<number, number>()

  /** Adds these processes. One whose file cannot be opened now is tried again at the next call. */
  keep(living: readonly Process[]): void {
    const wanted = new Set(living.slice(0, most).map(({ pid }) => pid))
    for (const [pid, file] of this.#files) if (!wanted.has(pid) || !isThere(file)) this.#drop(pid, file)
    for (const one of living.slice(0, most)) if (!this.#files.has(one.pid)) this.#open(one)
  }

  /** Signals the kept processes that have not ended. */
  signal(name: NodeJS.Signals): void {
    for (const [pid, file] of this.#files) {
      if (!isThere(file)) continue
      try {
        process.kill(pid, name)
      } catch {
        // It has ended meanwhile, or now runs as another user.
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

/** A zombie counts as there: a signal does it no harm. */
function isThere(file: number): boolean {
  try {
    return textOf(file) !== ''
  } catch {
    return false // ESRCH
  }
}
