/** Takes a lock: looks, waits by blocking query, and tries. While it waits it has no session with the lock's name yet. */
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

/** Waiters look again at random within this many ms: most of them then find the lock taken, and need not try. */
const spread = 50

const shortestPause = 100

const longestPause = 5000

/** How long to try again after Consul refuses the token, ms: a replaced token may take this long to arrive, since agents cache tokens. */
const rotation = 30_000

export class Contest {
  readonly #contender: Contender
  readonly #ends: number | null
  #free: ReadonlyMap<string, FreeLock> = new Map()
  /** The look while it is up to date; and the last look, for messages. */
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
  /** When Consul first refused the token after it had accepted it, boot-clock ms. */
  #refused: number | null = null

  constructor(contender: Contender) {
    const { wait } = contender.order
    this.#contender = contender
    this.#shown = new Waiting(contender.consul, contender.keys, contender.instance)
    this.#ends = wait === null ? null : bootClock() + wait
  }

  /**
   * @returns null when the wait is over, or a signal came; then nothing of ours is left in Consul
   * @throws Permanent; Temporary when the wait is over and Consul never answered who holds the lock
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
      if (won === null) await this.gone // a holder does not wait for that
    }
  }

  /** Why the lock was not taken. */
  get why(): string {
    const { name } = this.#contender.order
    return this.#seen === null ? `nobody knows who has ${shown(name)}` : holders(name, this.#seen)
  }

  /** One look, and the step that follows from it. @returns null for another round */
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
    // The clock is read after the answer: a blocking query's answer may have been true for any time before.
    this.#free = refreshFree(this.#free, freeSlots(look), bootClock())
    this.#look = this.#seen = look
    this.#index = index
  }

  async #write(look: Look, next: Next): Promise<null> {
    const { consul, keys, order } = this.#contender
    if (next.do === 'make') mustBeNameable(order.name, keys)
    const operations =
      next.do === 'write' ? next.operations : make(keys, look, this.#remembering(order), await this.#isInUse())
    await transact(consul, operations) // if it fails, another contender has written the same
    this.#look = null
    return null
  }

  /** Whether the lock may be in use: a session bears its name, or we saw it held before its keys were deleted. */
  async #isInUse(): Promise<boolean> {
    const { consul, keys } = this.#contender
    if (this.#memory.seenHeld.size > 0) return true
    return (await allSessions(consul)).some(({ Name }) => Name === lockSessionName(keys))
  }

  /** With the longest lease and grace seen: an earlier holder may have used longer ones than ours. */
  #remembering({ slots, terms }: Order): Wanted {
    return { slots, terms: longest([terms, this.#memory.terms]) }
  }

  async #take(look: Look, { slot, index }: Extract<Next, { do: 'take' }>): Promise<Held | null> {
    const { consul, keys, order, onTry } = this.#contender
    const session = newSession(consul, lockSessionName(keys), sessionTtlFor(order.terms.lease))
    // Starts the shepherd, which is then ready when Consul has answered. The request leaves first: a fork takes a while.
    const started = new Promise(setImmediate).then(() => onTry(bootClock()))
    this.#session = (await Promise.all([session, started]))[0]
    const begun = bootClock()
    onTry(begun)
    this.#look = null // if the answer is lost, the next look shows the outcome
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

  /** The lock, if a transaction whose answer was lost did take it; otherwise destroys the session. */
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

  /** Waits until something changes, a time has come, or a signal says to leave. */
  async #change(until: number | null): Promise<void> {
    const { consul, signals } = this.#contender
    // One connection per waiter: Consul allows a machine 200 in all, watches and guards included.
    consul.close()
    this.#waiting ??= consul.another(queryLimit)
    const query = this.#query(this.#waiting)
    query.catch(() => {}) // for when another event won the race below
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

  /** A blocking query. The first is short; after it, a session shows others that we wait. */
  async #query(consul: Consul): Promise<Below> {
    await this.#shown.show(consul)
    // The connection was closed meanwhile: a query would open it again although nobody waits for its answer.
    if (this.#waiting !== consul) throw new Temporary('cannot wait: something else came first; it is looked again')
    const { due } = this.#shown
    const wait = due ? Math.min(due, longestQuery) : longestQuery
    return entriesBelow(consul, this.#contender.keys.root, this.#index, wait)
  }

  /** Closes the connection: otherwise Consul goes on with a query that nobody waits for. */
  #stopWaiting(): void {
    this.#waiting?.close()
    this.#waiting = null
  }

  /** While Consul is away, waits and tries again. @throws every other error */
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

  /** Consul refuses a token that it accepted before: it was replaced, and the new one may still have to arrive. */
  #mayPass(error: Error): boolean {
    if (!isRefusal(error) || this.#seen === null) return false
    this.#refused ??= bootClock()
    return bootClock() - this.#refused < rotation
  }

  /** Unlocks every slot that our session holds, and destroys the session. */
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

/** Resolves at a time on the boot clock, or after 24 days, the longest of Node's timers: the caller then looks again. */
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
