/** One resource, from when it is handed to this process until nothing of it is left. */
import type { Limit } from './limit.ts'
import type { Handler, Logger, Resource } from './types.ts'

export interface Surroundings {
  readonly handler: Handler
  readonly logger: Logger
  readonly limits: { readonly handle: Limit; readonly terminate: Limit }
  /** Is told how it is with what was handed over with this line. */
  readonly say?: (line: string, word: Word) => void
}

/** `failing`: why, or null when that is over. `over`: nothing of it is left. */
export type Word = { readonly failing: string | null } | { readonly ready: true } | { readonly over: true }

/** So many failures in a row are worth a word to everybody; a process counts as crash-looping then too. */
const mostFailures = 3

/** How often it failed in a row. */
class Failures {
  readonly #say: (failing: string | null) => void
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor(say: (failing: string | null) => void) {
    this.#say = say
  }

  another(error: unknown): void {
    clearTimeout(this.#timer)
    this.#count++
    if (this.#count >= mostFailures) this.#say(`cannot handle it: ${messageOf(error)}`)
  }

  /** A call that lasts so long, ms, works. */
  overAfter(long: number): void {
    if (this.#count > 0) this.#timer = setTimeout(() => this.over(), long).unref()
  }

  over(): void {
    clearTimeout(this.#timer)
    if (this.#count >= mostFailures) this.#say(null)
    this.#count = 0
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export class Life {
  readonly resource: Resource
  /** The line that it was handed over with, and that confirms its end. */
  readonly line: string
  readonly #token: string
  readonly #around: Surroundings
  readonly #controller = new AbortController()
  /** The last call of `handle`. */
  #call: Promise<unknown> | null = null

  constructor(around: Surroundings, resource: Resource, token: string, line: string) {
    this.#around = around
    this.resource = resource
    this.#token = token
    this.line = line
    void this.#handle()
  }

  async #handle(): Promise<void> {
    const { handler, limits, say } = this.#around
    const { signal } = this.#controller
    let again = this.#backOff()
    let begun = 0
    const failures = new Failures(failing => say?.(this.line, { failing }))
    const ready = () => {
      failures.over()
      say?.(this.line, { ready: true })
    }
    while (!signal.aborted) {
      try {
        await limits.handle(() => {
          if (signal.aborted) return null // it need not wait for its turn to find that out
          begun = performance.now()
          failures.overAfter(this.#retry.longest)
          this.#call = (async () => handler.handle(this.resource, { token: this.#token, signal, ready }))()
          return this.#call
        })
        if (!signal.aborted) ready()
        return
      } catch (error) {
        if (signal.aborted) return
        failures.another(error)
        this.#say('cannot handle', error)
        await this.#ask(() => handler.failed?.(error, this.resource))
        if (performance.now() - begun > this.#retry.longest) again = this.#backOff() // that one had worked
        await again(signal)
      }
    }
  }

  /** Resolves when nothing of it is left. */
  async end(): Promise<void> {
    this.#controller.abort()
    if (this.#call === null) return
    await this.#call.catch(() => {}) // that was told, or is what the signal brings about
    const { handler, limits } = this.#around
    for (const again = this.#backOff(); ; await again()) {
      try {
        await limits.terminate(() => handler.terminate?.(this.resource))
        return
      } catch (error) {
        this.#say('cannot terminate', error)
        if ((await this.#ask(() => handler.terminateFailed?.(error, this.resource))) === true) return
      }
    }
  }

  get #retry(): { first: number; longest: number } {
    const { first = 100, longest = 30_000 } = this.#around.handler.retry ?? {}
    return { first, longest }
  }

  /** Waits longer each time; less when the signal is aborted meanwhile. */
  #backOff(): (signal?: AbortSignal) => Promise<void> {
    const { first, longest } = this.#retry
    let next = first
    return signal => {
      const wait = next
      next = Math.min(longest, next * 2)
      return new Promise(resolve => {
        const over = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', over)
          resolve()
        }
        const timer = setTimeout(over, wait)
        signal?.addEventListener('abort', over)
      })
    }
  }

  /** What the program says to that; undefined when it fails. */
  async #ask<T>(question: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await question()
    } catch (error) {
      this.#say('cannot tell of a failure of', error)
      return undefined
    }
  }

  #say(what: string, error: unknown): void {
    this.#around.logger.error(`${what} ${this.resource.id}: ${messageOf(error)}`)
  }
}
