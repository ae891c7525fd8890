/**
 * Who waits for a lock is seen by others from a session that holds nothing: its name says for which lock, as whom, and
 * since when. It is written once the waiting takes a while, costs a short wait nothing, and ends by itself when its agent
 * dies, or when nobody renews it: a waiter that was killed is seen for up to a minute longer. Nothing depends on it.
 */
import { bootClock } from '../base/clock.ts'
import type { LockKeys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { destroySession, newSession, renewSession } from '../consul/session.ts'

/** After how much waiting it is shown, ms. */
export const shownAfter = 1000
/** Consul ends a session after up to twice its TTL. The longest query, with what Consul adds to it, is shorter. */
const ttl = '30s'
/** Not renewed more often, ms: whoever waits for a busy lock comes round at every hand-over. */
const renewEvery = 5000
/** Time limit of the request that ends it, ms: nobody is to wait for it. */
const endLimit = 1500

export interface Waiter {
  /** Of the lock's keys. */
  readonly root: string
  readonly by: string
  /** Wall clock, for people. */
  readonly since: string
}

/** No lock's session has such a name: those tell whether the lock may be in use. */
export function waiterName({ root, by, since }: Waiter): string {
  return `watchbill waits for ${root} since ${since}: ${by}`
}

/** null for any other session. */
export function waiterFrom(name: string): Waiter | null {
  const [, root, since, by] = /^watchbill waits for (\S+) since (\S+): (.+)$/s.exec(name) ?? []
  return root === undefined || since === undefined || by === undefined ? null : { root, since, by }
}

export class Waiting {
  readonly #consul: Consul
  readonly #name: string
  readonly #from = bootClock()
  #session: string | null = null
  #renewed = 0

  constructor(consul: Consul, { root }: LockKeys, by: string) {
    this.#consul = consul
    this.#name = waiterName({ root, by, since: new Date().toISOString() })
  }

  /** ms until it is to be shown; null when it is. */
  get due(): number | null {
    return this.#session === null ? Math.max(0, this.#from + shownAfter - bootClock()) : null
  }

  /** Makes the session, or renews it. @throws never: who waits goes on unseen */
  async show(consul: Consul): Promise<void> {
    const now = bootClock()
    if (now < this.#from + shownAfter || (this.#session !== null && now < this.#renewed + renewEvery)) return
    try {
      const lives = this.#session !== null && (await renewSession(consul, this.#session)) !== null
      if (!lives) this.#session = await newSession(consul, this.#name, ttl)
      this.#renewed = now
    } catch {
      // what follows on the same connection tells
    }
  }

  /** Nobody waits any more. @throws never: the session ends by itself */
  async end(): Promise<void> {
    const ID = this.#session
    if (ID === null) return
    this.#session = null
    const consul = this.#consul.another(endLimit)
    await destroySession(consul, { ID }).catch(() => {})
    consul.close()
  }
}
