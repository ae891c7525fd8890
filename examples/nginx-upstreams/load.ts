/** Requests at a steady rate, whether or not earlier ones are answered, and what came of each. */
import { Agent, request } from 'node:http'
import { steadyClock } from '../../lib/base/clock.ts'

export interface Outcome {
  /** When it was sent, ms since the start of the load. */
  readonly at: number
  readonly ms: number
  /** Null for an answer of 200; otherwise the status, or the error. */
  readonly why: string | null
  /** The version that answered. */
  readonly version?: string
}

/** ms */
const limit = 10_000
const tick = 5

/** A request has a connection of its own: nginx may close an idle one at any reload. */
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY })

export class Load {
  readonly outcomes: Outcome[] = []
  readonly #port: number
  readonly #begun = steadyClock()
  readonly #timer: NodeJS.Timeout
  #sent = 0
  #open = 0

  /** @param rate requests a second */
  constructor(port: number, rate: number) {
    this.#port = port
    this.#timer = setInterval(() => {
      const due = Math.floor((this.now() * rate) / 1000)
      // What a busy machine could not send in time is left out, not sent all at once.
      const some = Math.min(due - this.#sent, Math.ceil((rate * 50) / 1000))
      for (let n = 0; n < some; n++) this.#send()
      this.#sent = due
    }, tick)
  }

  now(): number {
    return steadyClock() - this.#begun
  }

  /** How many wait for their answer. */
  get open(): number {
    return this.#open
  }

  #send(): void {
    const at = this.now()
    this.#open++
    let isOver = false
    const over = (why: string | null, version?: string) => {
      if (isOver) return
      isOver = true
      this.#open--
      this.outcomes.push({ at, ms: this.now() - at, why, ...(version !== undefined && { version }) })
    }
    const sent = request({ host: '127.0.0.1', port: this.#port, path: '/', agent, timeout: limit }, answer => {
      answer.resume()
      answer.once('end', () =>
        over(answer.statusCode === 200 ? null : `status ${answer.statusCode}`, String(answer.headers['x-version'])),
      )
      answer.once('error', error => over(error.message))
    })
    sent.once('timeout', () => sent.destroy(new Error(`no answer within ${limit} ms`)))
    sent.once('error', error => over(error.message))
    sent.end()
  }

  /** Sends no more, and waits for the answers. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    while (this.#open > 0) await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Figures of the requests that were sent between two moments. */
export function figuresOf(outcomes: readonly Outcome[], from: number, to: number) {
  const some = outcomes.filter(({ at }) => at >= from && at < to)
  const failed = some.filter(({ why }) => why !== null)
  const times = some.map(({ ms }) => ms).sort((a, b) => a - b)
  const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0)
  return {
    requests: some.length,
    aSecond: Math.round((some.length * 1000) / Math.max(1, to - from)),
    failed: failed.length,
    why: [...new Set(failed.map(({ why }) => why))],
    versions: Object.fromEntries(
      [...Map.groupBy(some, ({ version }) => version ?? 'none')].map(([of, all]) => [of, all.length]),
    ),
    ms: { median: at(0.5), p99: at(0.99), most: at(1) },
  }
}
