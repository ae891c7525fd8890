/** A contender for a lock, the lock as it holds it, and the name and TTL of its session. */

import type { LockKeys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import type { Order } from './order.ts'
import type { Signals } from './signals.ts'

/** A lock that is held. */
export interface Held {
  session: string
  readonly slot: number
  readonly acquisition: string
  /** The fencing token. */
  readonly token: string
  /** Boot clock, ms: taken before the request that proved that the lock is held. */
  readonly proved: number
}

export interface Contender {
  readonly consul: Consul
  readonly keys: LockKeys
  readonly order: Order
  /** The contender's name for people: others read it in the lock's value. */
  readonly instance: string
  /** The random id of the acquisition, chosen before the transaction. */
  readonly acquisition: string
  /** The first signal ends the contest. */
  readonly signals: Signals
  /** Prints a line with --verbose. */
  readonly say: (line: string) => void
  /** Prints a line always. */
  readonly warn: (line: string) => void
  /** Called before the lock is tried, and again right before: its lease counts from then, boot-clock ms. */
  readonly onTry: (begun: number) => void
}

/** The name of a lock's sessions. Only a holder, or a contender that is about to try, has such a session. */
export function lockSessionName(keys: LockKeys): string {
  return `watchbill lock ${keys.root}`
}

/** TTL of a session: Consul ends it after up to twice that, and the lease is over by then. */
export function sessionTtlFor(lease: number): string {
  return `${Math.max(10, Math.ceil(lease / 2000))}s`
}
