/** Taking a lock: looks, waits by blocking query, and tries. Whoever waits has no session of the lock's yet. */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../base/clock.ts'
import { Permanent, reason, Temporary } from '../base/errors.ts'
import type { LockKeys } from '../base/names.ts'
import { lastEntry } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { type Below, base64, entriesBelow, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { isRefusal } from '../consul/permission.ts'
import { RefusedKey } from '../consul/refused-key.ts'
import { allSessions, destroySession, newSession } from '../consul/session.ts'
import { cleanValue, heldValue } from '../keys/lock.ts'
import { fencingToken } from '../keys/settings.ts'
import { longest } from '../keys/terms.ts'
import { type FreeLock, refreshFree } from '../look/free.ts'
import { type Contender, type Held, lockSessionName, sessionTtlFor } from './contender.ts'
import type { Order } from './order.ts'
import {
  coverTerms,
  decide,
  freeSlots,
  type Look,
  lookFrom,
  make,
  type Next,
  nothingSeen,
  recalled,
  type Wanted,
} from './slots.ts'
import { Waiting } from './waiting.ts'
import { holders, nameRefusal, shown } from './words.ts'

/**
 * The longest blocking query, and the time limit of one, ms. Consul adds up to a sixteenth, and 1.22.4 cuts what takes
 * longer than 30 s (read from its changelog).
 */
const longestQuery = 20_000

const queryLimit = 30_000

/** Those who wait come back spread over so many ms, and most of them find the lock taken without having tried it. */
const spread = 50

const shortestPause = 100

const longestPause = 5000

/** How long a token that is refused may take to be replaced, ms: Consul's agents remember one for as long. */
const rotation = 30_000

export class Contest {
  readonly #contender: Contender
  readonly #ends: number | null
  #free: ReadonlyMap<string, FreeLock> = new Map()
  /** Until it may be out of date; and the last one, for what is told. */
  #look: Look | null = null
  #seen: Look | null = null
  #memory = nothingSeen
  #index = ''
  #session: string | null = null
  #waiting: Consul | null = null
  readonly #shown: Waiting
  /** Resolves when others no longer see it waiting. */
  gone: Promise<void> = Promise.resolve()
  #pause = 0
  /** When Consul first refused, after it had let us look: boot-clock ms. */
  #refused: number | null = null

  constructor(contender: Contender) {
    const { wait } = contender.order
    this.#contender = contender
    this.#shown = new Waiting(contender.consul, contender.keys, contender.instance)
    this.#ends = wait === null ? null : bootClock() + wait
  }

  /**
   * @returns null when the waiting is over, or somebody wants us to leave: then nothing of ours is left in Consul
   * @throws Permanent; Temporary when the waiting is over and Consul never told who holds the lock
   */
  async win(): Promise<Held | null> {
    const { signals } = this.#contender
    let won: Held | null = null
    try {
      while (signals.first === null && won === null) {
        const held = await this.#round().catch(error => this.#failed(error))
        if (held === 'over') break
        won = held
      }
      if (won === null) await this.#leave().catch(() => {}) // its session ends by itself
      return won
    } finally {
      this.#waiting?.close()
      this.gone = this.#shown.end()
      if (won === null) await this.gone // who holds the lock does not wait for that
    }
  }

  /** Why it was not taken. */
  get why(): string {
    const { name } = this.#contender.order
    return this.#seen === null ? `nobody knows who has ${shown(name)}` : holders(name, this.#seen)
  }

  /** One look, and what follows from it. null is for another round. */
  async #round(): Promise<Held | 'over' | null> {
    const begun = bootClock()
    if (this.#look === null) this.#see(await entriesBelow(this.#contender.consul, this.#contender.keys.root))
    const { keys, order, say } = this.#contender
    const look = this.#look as unknown as Look
    const found = this.#session === null ? null : await this.#found(look, begun)
    if (found) return found
    const next = decide(keys, look, order, this.#free, bootClock())
    if (next.do === 'disagree') throw disagreement(order, next.slots)
    if (next.do === 'wait') {
      if (this.#ends !== null && bootClock() >= this.#ends) return 'over'
      say(`${this.why}; waiting`)
      await this.#change(next.until)
      return null
    }
    const held = next.do === 'take' ? await this.#take(look, next) : await this.#write(look, next)
    this.#pause = 0
    return held
  }

  #see({ entries, index }: Below): void {
    this.#refused = null
    const { look, memory } = recalled(lookFrom(this.#contender.keys, entries), this.#memory)
    this.#memory = memory
    // Only now: what a blocking query tells became true at any time before it was answered.
    this.#free = refreshFree(this.#free, freeSlots(look), bootClock())
    this.#look = this.#seen = look
    this.#index = index
  }

  async #write(look: Look, next: Next): Promise<null> {
    const { consul, keys, order } = this.#contender
    if (next.do === 'make') mustBeNameable(order.name, keys)
    const operations =
      next.do === 'write' ? next.operations : make(keys, look, this.#remembering(order), await this.#isInUse())
    await transact(consul, operations) // whoever was quicker has written the same
    this.#look = null
    return null
  }

  /** By somebody's session, or because it was seen held before all of it was deleted. */
  async #isInUse(): Promise<boolean> {
    const { consul, keys } = this.#contender
    if (this.#memory.seenHeld.size > 0) return true
    return (await allSessions(consul)).some(({ Name }) => Name === lockSessionName(keys))
  }

  /** Whoever had it may have had it for longer than we want it. */
  #remembering({ slots, terms }: Order): Wanted {
    return { slots, terms: longest([terms, this.#memory.terms]) }
  }

  async #take(look: Look, { slot, index }: Extract<Next, { do: 'take' }>): Promise<Held | null> {
    const { consul, keys, order, onTry } = this.#contender
    const session = newSession(consul, lockSessionName(keys), sessionTtlFor(order.terms.lease))
    onTry(bootClock()) // what that starts is ready when Consul has answered
    this.#session = await session
    const begun = bootClock()
    onTry(begun)
    this.#look = null // should the answer be lost, the next look tells
    const outcome = await transact(consul, [...coverTerms(keys, look, order), ...this.#lock(slot, index, look.epoch)])
    if (outcome.done) {
      const held = lastEntry(outcome.entries, keys.slot(slot))?.modifyIndex
      if (held === undefined) throw new Error(`Consul's answer holds no entry for ${keys.slot(slot)}`)
      return this.#held(look, slot, held, begun)
    }
    await this.#drop()
    return null
  }

  #lock(slot: number, index: number, epoch: number): Operation[] {
    const { keys, order, instance } = this.#contender
    const since = new Date().toISOString()
    const { acquisition } = this.#contender
    const value = heldValue({ instance, acquisition, ...order.terms, since, version: '', epoch })
    const Key = keys.slot(slot)
    return [
      { Verb: 'check-index', Key, Index: index },
      { Verb: 'lock', Key, Value: base64(value), Session: this.#session as string },
    ]
  }

  #held({ epoch }: Look, slot: number, index: number, proved: number): Held {
    const token = fencingToken(epoch, index)
    return { session: this.#session as string, slot, acquisition: this.#contender.acquisition, token, proved }
  }

  /** What a transaction whose answer was lost has done after all. */
  async #found(look: Look, begun: number): Promise<Held | null> {
    const [mine] = [...look.slots].filter(([, { session }]) => session === this.#session)
    if (mine) return this.#held(look, mine[0], mine[1].modifyIndex, begun)
    await this.#drop()
    return null
  }

  async #drop(): Promise<void> {
    const session = this.#session as string
    this.#session = null
    await destroySession(this.#contender.consul, { ID: session })
  }

  /** Until something changes, or a time has come, or we are to leave. */
  async #change(until: number | null): Promise<void> {
    const { consul, signals } = this.#contender
    // One connection for each who waits: Consul allows a machine 200 in all, watches and guards included.
    consul.close()
    this.#waiting ??= consul.another(queryLimit)
    const query = this.#query(this.#waiting)
    query.catch(() => {}) // when something else was first
    const times = [until, this.#ends].filter(time => time !== null)
    const timer = new AbortController()
    const below = await Promise.race([query, time(Math.min(...times), timer.signal), signals.came])
    timer.abort()
    if (below) this.#see(below)
    const free = freeSlots(this.#look as Look).size > 0
    if (!below || free) {
      this.#look = null
      this.#stopWaiting()
    }
    if (free) await delay(Math.random() * spread)
  }

  /** The first one is short: then others are shown that it waits. */
  async #query(consul: Consul): Promise<Below> {
    await this.#shown.show(consul)
    // Closed meanwhile, it would be opened again by a query that nobody waits for.
    if (this.#waiting !== consul) throw new Temporary('cannot wait: something else came first; it is looked again')
    const { due } = this.#shown
    const wait = due ? Math.min(due, longestQuery) : longestQuery
    return entriesBelow(consul, this.#contender.keys.root, this.#index, wait)
  }

  /** A query that has not ended goes on at the other end of its connection. */
  #stopWaiting(): void {
    this.#waiting?.close()
    this.#waiting = null
  }

  /** Consul that is away for a while is no error. @throws what is none of that */
  async #failed(error: unknown): Promise<'over' | null> {
    const { order, warn, signals } = this.#contender
    if (error instanceof RefusedKey) mustBeNameable(order.name, this.#contender.keys)
    if (!(error instanceof Error) || !(error.name === 'Temporary' || this.#mayPass(error))) throw error
    if (this.#ends !== null && bootClock() >= this.#ends) {
      if (this.#seen === null || freeSlots(this.#seen).size > 0) throw error
      return 'over'
    }
    if (this.#pause === 0) warn(`${shown(order.name)}: ${reason(error)}`)
    this.#pause = Math.min(longestPause, 2 * this.#pause || shortestPause)
    this.#stopWaiting()
    this.#look = null
    const rest = this.#ends === null ? this.#pause : Math.min(this.#pause, this.#ends - bootClock())
    await Promise.race([delay(Math.max(0, rest) * (0.5 + Math.random() / 2)), signals.came])
    return null
  }

  /** Consul refuses whoever it let in before: its token was replaced, and the new one may yet come. */
  #mayPass(error: Error): boolean {
    if (!isRefusal(error) || this.#seen === null) return false
    this.#refused ??= bootClock()
    return bootClock() - this.#refused < rotation
  }

  /** Gives back what may be ours. */
  async #leave(): Promise<void> {
    const { consul, keys } = this.#contender
    if (this.#session === null) return
    const Session = this.#session
    const { slots } = lookFrom(keys, (await entriesBelow(consul, keys.root)).entries)
    const Value = base64(cleanValue(new Date().toISOString()))
    for (const [n, { session }] of slots) {
      if (session === Session) await transact(consul, [{ Verb: 'unlock', Key: keys.slot(n), Session, Value }])
    }
    await this.#drop()
  }
}

/** Resolves at a time on the boot clock. Node's timers end at 24 days: looking again then is no harm. */
function time(at: number, signal: AbortSignal): Promise<null> {
  const rest = Math.min(Math.max(0, at - bootClock()), 2 ** 31 - 1)
  return delay(rest, null, { signal }).catch(() => null)
}

/** @throws Permanent for a new lock, or through an agent that refuses its keys */
function mustBeNameable(name: string, keys: LockKeys): void {
  const why = nameRefusal(name, keys)
  if (why !== null) throw new Permanent(`cannot take ${shown(name)}: ${why}`)
}

function disagreement({ name, slots }: Order, theirs: number): Permanent {
  return new Permanent(
    `cannot take ${shown(name)}: it is used with ${theirs} slots, and --slots says ${slots}; use the same number everywhere`,
  )
}
