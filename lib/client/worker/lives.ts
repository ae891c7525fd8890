/** All resources of this process: makes what is handled what the assignment says, one line each. */
import { parseHanded } from '../../base/worker-line.ts'
import { Life, type Surroundings } from './life.ts'
import type { Resource } from './types.ts'

export class Lives {
  readonly #around: Surroundings
  readonly #confirm: (line: string) => void
  /** By id. One that ends stays until it is over. */
  readonly #lives = new Map<string, { readonly life: Life; ending: Promise<void> | null }>()
  /** By line. */
  #wanted = new Set<string>()
  /** What was taken back, by line, and what of that was confirmed. */
  #asked = new Set<string>()
  #confirmed = new Set<string>()
  /** Nothing is begun any more. */
  #closed = false

  /** @param confirm is called with the line of each that is over */
  constructor(around: Surroundings, confirm: (line: string) => void) {
    this.#around = around
    this.#confirm = confirm
  }

  /**
   * @param text the whole assignment
   * @param stopping what was taken back, read after that: of what came and went before this look, nothing else tells
   */
  follow(text: string, stopping = ''): void {
    const lines = linesOf(text)
    const bad = lines.find(line => parseHanded(line) === null)
    if (bad !== undefined) {
      this.#around.logger.error(`cannot read the assignment: ${bad.slice(0, 200)}`)
      return
    }
    this.#wanted = new Set(this.#closed ? [] : lines)
    for (const { life } of this.#lives.values()) if (!this.#wanted.has(life.line)) this.#end(life)
    for (const line of this.#wanted) this.#begin(line)
    this.#asked = new Set(linesOf(stopping))
    this.#answer()
  }

  /** Confirms what is asked for, unless it is here, in whatever acquisition, or may yet begin when an earlier one has ended. */
  #answer(): void {
    this.#confirmed = new Set([...this.#confirmed].filter(line => this.#asked.has(line)))
    for (const line of this.#asked) {
      const id = parseHanded(line)?.id
      const settled = this.#confirmed.has(line) || this.#wanted.has(line)
      if (id !== undefined && !settled && !this.#lives.has(id)) this.#confirmOnce(line)
    }
  }

  #confirmOnce(line: string): void {
    this.#confirmed.add(line)
    this.#confirm(line)
  }

  /** What is handled, and not being given up. */
  held(): Resource[] {
    return [...this.#lives.values()].filter(({ ending }) => ending === null).map(({ life }) => life.resource)
  }

  /** Ends all of them; nothing is begun any more until the next `follow`. */
  async end(): Promise<void> {
    this.#wanted = new Set()
    await Promise.all([...this.#lives.values()].map(({ life }) => this.#end(life)))
  }

  /** Ends all of them for good. What is over is confirmed as soon as it is asked for: nobody has taken it back yet. */
  close(): Promise<void> {
    this.#closed = true
    return this.end()
  }

  #begin(line: string): void {
    const handed = parseHanded(line)
    if (handed === null || this.#lives.has(handed.id)) return // the end of the earlier one looks again
    const { token, ...resource } = handed
    this.#around.logger.info(`handles ${handed.id}, token ${token}`)
    this.#lives.set(handed.id, { life: new Life(this.#around, resource, token, line), ending: null })
  }

  #end(life: Life): Promise<void> {
    const { id } = life.resource
    const entry = this.#lives.get(id)
    if (!entry) return Promise.resolve()
    entry.ending ??= life.end().then(() => {
      this.#lives.delete(id)
      this.#around.logger.info(`has given up ${id}`)
      this.#around.say?.(life.line, { over: true })
      if (!this.#closed) this.#confirmOnce(life.line)
      for (const line of this.#wanted) if (parseHanded(line)?.id === id) this.#begin(line)
      this.#answer()
    })
    return entry.ending
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(line => line.trim() !== '')
}
