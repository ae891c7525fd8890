/** One resource, from the time when this process gets it until it has been terminated. */
import type { Limit } from './limit.ts'
import type { Handler, Logger, Resource } from './types.ts'

export interface Surroundings {
  readonly handler: Handler
  readonly logger: Logger
  readonly limits: { readonly handle: Limit; readonly terminate: Limit }
  /** Called with news of the resource that this line of the assignment handed over. */
  readonly say?: (line: string, word: Word) => void
}

/** `failing`: the reason, or null when it no longer fails. `over`: it has been terminated. */
export type Word = { readonly failing: string | null } | { readonly ready: true } | { readonly over: true }

/** After this many failures in a row `status` shows the reason; a process counts as crash-looping then too. */
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

  /** A call that lasts this long, ms, counts as working. */
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
  /** The line of the assignment that handed it over; the same line confirms its end. */
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
          if (signal.aborted) return null // aborted: it need not wait for its turn
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
        if (performance.now() - begun > this.#retry.longest) again = this.#backOff() // that call had worked
        await again(signal)
      }
    }
  }

  /** Resolves when it has been terminated. */
  async end(): Promise<void> {
    this.#controller.abort()
    if (this.#call === null) return
    await this.#call.catch(() => {}) // the error was reported, or comes from the abort
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

  /** Waits longer each time, at most until the signal is aborted. */
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

  /** Calls one of the program's error callbacks. @returns its result; undefined when it fails */
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
