/** Who contends for a lock, what it holds once it has won, and its session. */

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
  /** Boot clock, ms: from before a request that proved it held. */
  readonly proved: number
}

export interface Contender {
  readonly consul: Consul
  readonly keys: LockKeys
  readonly order: Order
  /** Who it is, for people: what others read in the lock's value. */
  readonly instance: string
  /** Random, and known before the transaction. */
  readonly acquisition: string
  /** The first one ends the contest. */
  readonly signals: Signals
  /** One line for who wants to know. */
  readonly say: (line: string) => void
  /** One line that is always told. */
  readonly warn: (line: string) => void
  /** Called before the lock is tried, and again right before: its lease counts from then, boot-clock ms. */
  readonly onTry: (begun: number) => void
}

/** How a lock's sessions are named. Nobody has one who neither holds the lock nor is about to try it. */
export function lockSessionName(keys: LockKeys): string {
  return `watchbill lock ${keys.root}`
}

/** TTL of a session: Consul ends it after up to twice that, and the lease is over by then. */
export function sessionTtlFor(lease: number): string {
  return `${Math.max(10, Math.ceil(lease / 2000))}s`
}
