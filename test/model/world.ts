/**
 * Virtual time and its events. A run is one sequence of events, the same for the same seed. Nothing in it reads the
 * real clock.
 */
import type { Host } from './host.ts'

/** Decides whether and where a scheduled event still happens. */
export interface Owner {
  readonly host: Host
  readonly alive: boolean
  /** Its events wait until it is continued. */
  readonly stopped?: boolean
}

interface Event {
  readonly at: number
  readonly nth: number
  readonly owner: Owner | null
  readonly happen: () => void
}

/** A rule was broken; the run ends with this error. */
export class Violation extends Error {
  override name = 'Violation'
}

/** How often the events of a stopped process are tried again, ms. */
const stoppedFor = 50

export class World {
  /** ms */
  now = 0
  readonly #seed: number
  readonly #events: Event[] = []
  readonly #counts = new Map<string, number>()
  /** The events so far, one sentence each. */
  readonly trace: string[] = []
  violation: Violation | null = null
  /** Called after each event. */
  check: () => void = () => {}
  #nth = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  /** @param owner when it is dead by then, nothing happens; when its host is frozen, the event happens at the thaw */
  after(ms: number, owner: Owner | null, happen: () => void): void {
    this.#insert({ at: this.now + Math.max(0, ms), nth: this.#nth++, owner, happen })
  }

  /** Runs all events that are due within `ms`. @throws Violation */
  async run(ms: number): Promise<void> {
    const end = this.now + ms
    for (let event = this.#events[0]; event !== undefined && event.at <= end; event = this.#events[0]) {
      this.#events.shift()
      this.now = Math.max(this.now, event.at)
      if (event.owner === null || event.owner.alive) await this.#happen(event)
      if (this.violation) throw this.violation
    }
    this.now = end
  }

  async #happen({ owner, happen }: Event): Promise<void> {
    if (owner?.host.frozen) owner.host.atThaw.push(() => this.after(0, owner, happen))
    else if (owner?.stopped) this.after(stoppedFor, owner, happen)
    else {
      happen()
      await new Promise(setImmediate) // every promise that depends on the event gets as far as it can
      this.check()
    }
  }

  #insert(event: Event): void {
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#events[middle] as Event).at <= event.at) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }

  say(sentence: string): void {
    this.trace.push(`${(this.now / 1000).toFixed(3).padStart(8)} s  ${sentence}`)
  }

  forbid(sentence: string): void {
    this.say(`VIOLATION: ${sentence}`)
    this.violation ??= new Violation(sentence)
  }

  /**
   * A number in [0, 1). Each purpose has its own sequence, so that removing a fault from a run changes nothing but what
   * that fault affects.
   */
  random(purpose: string): number {
    const count = (this.#counts.get(purpose) ?? 0) + 1
    this.#counts.set(purpose, count)
    let hash = this.#seed ^ Math.imul(count, 0x9e3779b1)
    for (let at = 0; at < purpose.length; at++) hash = Math.imul(hash ^ purpose.charCodeAt(at), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
  }

  /** ms between two bounds. */
  between(purpose: string, from: number, to: number): number {
    return Math.round(from + this.random(purpose) * (to - from))
  }
}
