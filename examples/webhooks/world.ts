/** The world outside: who subscribed to what, the events, how far each subscription is, and what its endpoint received. */
import { EventEmitter } from 'node:events'
import type { Delivery, History, Span } from './verdict.ts'

interface Subscription {
  readonly id: string
  /** Where its events are to be posted. */
  url: string
  /** When each of its events came to be, ms; the first one is number 1. */
  readonly produced: number[]
  /** How many of them are done, and the newest token that said so. */
  cursor: number
  token: string
  /** Whether the API lists it. */
  listed: boolean
  /** Since when nobody has it any more. */
  gone: number | null
}

export interface Event {
  readonly id: string
  readonly subscription: string
  readonly number: number
}

/** Who asks, as it says in its headers. */
export interface Asker {
  readonly instance: string
  readonly pid: number
  readonly token: string
}

/** So many deliveries to one that fails: endpoints do, now and then. */
const busyEvery = 50

/** Tells of each new event by the id of its subscription. */
export class World extends EventEmitter {
  /** The list of subscriptions cannot be had. */
  failing = false
  /** The subscription whose next delivery is received, but never answered. */
  unanswered: string | null = null
  readonly deliveries: Delivery[] = []
  readonly killed: number[] = []
  readonly changes: { subscription: string; url: string }[] = []
  readonly outages: Span[] = []
  busy = 0
  stale = 0
  replayed = 0
  #all = new Map<string, Subscription>()
  #last = new Map<string, Delivery>()
  #attempts = 0

  constructor() {
    super()
    this.setMaxListeners(0)
  }

  add(id: string, url: string): void {
    if (this.#all.has(id)) throw new Error(`${id} is there already`)
    this.#all.set(id, { id, url, produced: [], cursor: 0, token: '0', listed: true, gone: null })
  }

  /** Its events do not end: who goes on delivering them is found out. */
  remove(id: string): void {
    this.#get(id).listed = false
  }

  change(id: string, url: string): void {
    this.#get(id).url = url
    this.changes.push({ subscription: id, url: pathOf(url) })
  }

  /** Nobody has these any more, as watchbill says. */
  took(ids: readonly string[]): void {
    for (const id of ids) this.#get(id).gone = now()
  }

  listed(): { id: string; url: string }[] {
    return [...this.#all.values()].filter(({ listed }) => listed).map(({ id, url }) => ({ id, url }))
  }

  produce(id: string): void {
    this.#get(id).produced.push(now())
    this.emit(id)
  }

  ids(): string[] {
    return [...this.#all.keys()]
  }

  after(id: string, cursor: number): Event[] {
    const { produced } = this.#get(id)
    return produced.slice(cursor).map((_, i) => {
      const number = cursor + i + 1
      return { id: `${id}-${number}`, subscription: id, number }
    })
  }

  /** The fence: null when a newer owner has been here. Without a cursor it only shows the token. */
  move(id: string, { token }: Asker, cursor?: number): { cursor: number } | null {
    const subscription = this.#get(id)
    if (BigInt(token) < BigInt(subscription.token)) {
      this.stale++
      return null
    }
    subscription.token = token
    const last = this.#last.get(id)
    if (cursor !== undefined) subscription.cursor = cursor
    if (last?.event === cursor && last) last.done = true
    return { cursor: subscription.cursor }
  }

  /** @returns false when the endpoint is too busy to take it */
  receive(url: string, { subscription, number: event }: Event, asker: Asker): boolean {
    if (++this.#attempts % busyEvery === 0) {
      this.busy++
      return false
    }
    const at = now()
    const waited = at - (this.#get(subscription).produced[event - 1] ?? at)
    const delivery = { subscription, event, url, ...asker, at, waited, done: false }
    this.deliveries.push(delivery)
    this.#last.set(subscription, delivery)
    return true
  }

  /** The last delivery for each subscription that is listed; undefined where there was none. */
  last(): Map<string, Delivery | undefined> {
    return new Map(this.listed().map(({ id }) => [id, this.#last.get(id)]))
  }

  /** Events of listed subscriptions that are not done. */
  waiting(): number {
    return this.listed().reduce((sum, { id }) => sum + this.after(id, this.#get(id).cursor).length, 0)
  }

  history(): History {
    const subscriptions = [...this.#all.values()].map(({ id, produced, gone }) => {
      return { id, produced: produced.length, gone }
    })
    const { deliveries, killed, changes, outages, busy, stale, replayed } = this
    return { subscriptions, deliveries, killed, changes, outages, busy, stale, replayed }
  }

  #get(id: string): Subscription {
    const subscription = this.#all.get(id)
    if (subscription) return subscription
    throw new Error(`there is no subscription ${id}`)
  }
}

export function now(): number {
  return performance.now()
}

export function pathOf(url: string): string {
  return new URL(url).pathname
}
