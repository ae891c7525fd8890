/** All resources of this process: handles exactly those in the assignment, which has one line for each. */
import { parseHanded } from '../../base/worker-line.ts'
import { Life, type Surroundings } from './life.ts'
import type { Resource } from './types.ts'

export class Lives {
  readonly #around: Surroundings
  readonly #confirm: (line: string) => void
  /** By id. A resource that is ending stays here until it is over. */
  readonly #lives = new Map<string, { readonly life: Life; ending: Promise<void> | null }>()
  /** By line. */
  #wanted = new Set<string>()
  /** The lines that were taken back, and those of them that were confirmed. */
  #asked = new Set<string>()
  #confirmed = new Set<string>()
  /** Set when no resource may begin any more. */
  #closed = false

  /** @param confirm called with the line of each resource that is over */
  constructor(around: Surroundings, confirm: (line: string) => void) {
    this.#around = around
    this.#confirm = confirm
  }

  /**
   * @param text the whole assignment
   * @param stopping the lines that were taken back, read after `text`: only they show a resource that came and went meanwhile
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

  /** Confirms the lines that were taken back, except ids that are here in any acquisition, or may begin after an earlier one. */
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

  /** The resources that are handled and not being given up. */
  held(): Resource[] {
    return [...this.#lives.values()].filter(({ ending }) => ending === null).map(({ life }) => life.resource)
  }

  /** Ends all of them; no resource begins before the next `follow`. */
  async end(): Promise<void> {
    this.#wanted = new Set()
    await Promise.all([...this.#lives.values()].map(({ life }) => this.#end(life)))
  }

  /** Ends all of them for good. They were not taken back yet: each end is confirmed as soon as that is asked for. */
  close(): Promise<void> {
    this.#closed = true
    return this.end()
  }

  #begin(line: string): void {
    const handed = parseHanded(line)
    if (handed === null || this.#lives.has(handed.id)) return // when the earlier one ends, it looks again
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
