/**
 * A waiter shows itself to others by a session that holds nothing: its name says who waits for which lock since when. The
 * session is created only after a while, so that a short wait costs nothing. It ends by itself when its agent dies, or when
 * nobody renews it: a killed waiter is shown for up to a minute longer. Nothing depends on it.
 */
import { bootClock } from '../base/clock.ts'
import type { LockKeys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { destroySession, newSession, renewSession } from '../consul/session.ts'

/** How long a wait must last before it is shown, ms. */
export const shownAfter = 1000
/** Consul ends a session after up to twice its TTL. The longest query, with what Consul adds to it, is shorter. */
const ttl = '30s'
/** The shortest time between two renewals, ms: a waiter for a busy lock comes here at every hand-over. */
const renewEvery = 5000
/** Time limit of the request that ends the session, ms: nobody should wait for it. */
const endLimit = 1500

export interface Waiter {
  /** The prefix of the lock's keys. */
  readonly root: string
  readonly by: string
  /** Wall clock, for people. */
  readonly since: string
}

/** Differs from the name of a holder's session, which shows that the lock may be in use. */
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

  /** ms until the wait is to be shown; null when it is shown. */
  get due(): number | null {
    return this.#session === null ? Math.max(0, this.#from + shownAfter - bootClock()) : null
  }

  /** Creates the session, or renews it. @throws never: without it the wait goes on, only not shown */
  async show(consul: Consul): Promise<void> {
    const now = bootClock()
    if (now < this.#from + shownAfter || (this.#session !== null && now < this.#renewed + renewEvery)) return
    try {
      const lives = this.#session !== null && (await renewSession(consul, this.#session)) !== null
      if (!lives) this.#session = await newSession(consul, this.#name, ttl)
      this.#renewed = now
    } catch {
      // the next request on the same connection will report the error
    }
  }

  /** Destroys the session at the end of the wait. @throws never: otherwise it ends by itself */
  async end(): Promise<void> {
    const ID = this.#session
    if (ID === null) return
    this.#session = null
    const consul = this.#consul.another(endLimit)
    await destroySession(consul, { ID }).catch(() => {})
    consul.close()
  }
}
