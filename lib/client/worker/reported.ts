/** Writes this process's own reports; state/worker-said.ts reads them. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { parseHanded } from '../../base/worker-line.ts'
import type { Word } from './life.ts'

/** How long to collect news of resources before they are written together, ms. */
const gather = 100

export class Reported {
  readonly #file: string | undefined
  readonly #tellsReady: boolean
  /** By line. */
  readonly #failing = new Map<string, string>()
  readonly #ready = new Set<string>()
  #closed: string | null = null
  #timer: NodeJS.Timeout | null = null

  /** @param file undefined under an older watchbill; @param tellsReady whether the definition asks for readiness */
  constructor(file: string | undefined, tellsReady: boolean) {
    this.#file = file
    this.#tellsReady = tellsReady
    if (file) rmSync(file, { force: true }) // written by the process before this one
  }

  note(line: string, word: Word): void {
    if ('ready' in word) {
      if (!this.#tellsReady || this.#ready.has(line)) return
      this.#ready.add(line)
    } else if ('over' in word) {
      const [failing, ready] = [this.#failing.delete(line), this.#ready.delete(line)]
      if (!failing && !ready) return
    } else if (word.failing !== null) this.#failing.set(line, word.failing)
    else if (!this.#failing.delete(line)) return
    this.#timer ??= setTimeout(() => this.#write(), gather).unref()
  }

  /** Writes at once: the program may block right afterwards. */
  close(why: string): void {
    this.#closed = why
    this.#write()
  }

  #write(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (!this.#file) return
    const lines = new Set([...this.#failing.keys(), ...this.#ready])
    const all = [
      ...(this.#closed === null ? [] : [{ closed: this.#closed }]),
      ...[...lines].map(line => {
        const { id, token, since } = parseHanded(line) ?? {}
        return {
          id,
          token,
          since,
          ...(this.#failing.has(line) ? { failing: this.#failing.get(line) } : { ready: true }),
        }
      }),
    ]
    writeFileSync(`${this.#file}.new`, all.map(one => `${JSON.stringify(one)}\n`).join(''), { mode: 0o600 })
    renameSync(`${this.#file}.new`, this.#file)
  }
}
