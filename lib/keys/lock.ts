/** The value of `lock/<id>`, and how long a contender leaves a free lock alone because of it. */
import { textIn } from '../base/json.ts'
import { isVersion } from '../base/version.ts'
import type { Entry } from '../consul/kv.ts'
import type { WhenIsolated } from '../definition/definition.ts'
import type { Terms } from '../state/local.ts'
import { isEpoch } from './settings.ts'

/**
 * Written by the acquisition. `lease` and `grace`, ms, are those of the acquisition, whatever the definition says now.
 */
export interface HeldValue {
  readonly instance: string
  readonly acquisition: string
  readonly lease: number
  readonly grace: number
  /** Wall clock, for people. */
  readonly since: string
  /** The version that its process runs with, or is to run with; empty where the service has none. */
  readonly version: string
  /** The roll-out that last started it: see keys/roll.ts; left out for none. */
  readonly roll?: string
  /** The epoch of the fencing token of this acquisition; left out for 0. */
  readonly epoch?: number
  /**
   * The instance that lost it to this one, or gave it back as it was drained or left; written only where nothing is to go back
   * to such an instance.
   */
  readonly from?: string
  /** What happens to its process while its machine is cut off; left out where it is stopped. It may run twice with `keep`. */
  readonly whenIsolated?: WhenIsolated
}

/** One lock as a look read it from Consul. */
export interface Lock {
  /** The session that holds it; null when it is free. */
  readonly session: string | null
  readonly createIndex: number
  readonly modifyIndex: number
  /** The acquisition that wrote the value; null when the value is clean, or garbled. */
  readonly held: HeldValue | null
  /** The lock was given back after its process was gone, and the value is believable. */
  readonly clean: boolean
  /** The instance that a clean lock was given back for; null for none in particular. */
  readonly next: string | null
  /** The instance that gave a clean lock back; left out when the value does not say. */
  readonly by?: string
  /** The epoch of the lock's last fencing token, as far as the value tells. */
  readonly epoch: number
}

/** The longest that any value, however garbled or hostile, can keep a partition idle, in ms. */
export const longestWait = 300_000
/** The 1 s in W = L + G + 1 s. */
const margin = 1000

/** W in ms, from a lease and a grace period in ms. */
export function takeoverWait(lease: number, grace: number): number {
  return Math.min(lease + grace + margin, longestWait)
}

/**
 * How long a free lock is left alone, ms: W of its last holder, or when that is unknown, the longest W of all possible
 * holders.
 */
export function waitOf(lock: Pick<Lock, 'held'> | null, others: readonly Terms[]): number {
  return lock?.held ? takeoverWait(lock.held.lease, lock.held.grace) : cautiousWait(others)
}

/**
 * For locks whose last holder is unknown: the longest W of the instances that may have held them, or the longest of
 * all.
 */
export function cautiousWait(terms: readonly Terms[]): number {
  if (terms.length === 0) return longestWait
  return Math.max(...terms.map(({ lease, grace }) => takeoverWait(lease, grace)))
}

export function lockFrom(entry: Entry): Lock {
  // Anyone can write a value by a plain PUT, which resets LockIndex to 0. So a value is believable only when it was
  // written under a lock, or together with the key itself.
  const believable = entry.lockIndex >= 1 || entry.createIndex === entry.modifyIndex
  const value = parseValue(entry.value)
  return {
    session: entry.session,
    createIndex: entry.createIndex,
    modifyIndex: entry.modifyIndex,
    held: believable ? heldFrom(value) : null,
    clean: believable && value?.clean === true,
    next: believable && value?.clean === true && isName(value.next) ? value.next : null,
    ...(believable && value?.clean === true && isName(value.instance) && { by: value.instance }),
    // A value that was written together with its key holds no epoch.
    epoch: entry.lockIndex >= 1 && isEpoch(value?.epoch) ? value.epoch : 0,
  }
}

function parseValue(text: string | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null
  } catch {
    return null // a garbled value tells nothing
  }
}

function heldFrom(value: Record<string, unknown> | null): HeldValue | null {
  if (value === null || value.clean !== undefined) return null
  const { instance, acquisition, lease, grace, since, version, from, roll, whenIsolated: when } = value
  if (!isName(instance) || !isName(acquisition)) return null
  if (!isDuration(lease) || !isDuration(grace)) return null
  const text = { since: textIn(since), version: isVersion(version) ? version : '' }
  return {
    ...{ instance, acquisition, lease, grace, ...text },
    ...(isName(from) && { from }),
    ...(isName(roll) && { roll }),
    ...((when === 'keep' || when === 'run') && { whenIsolated: when }),
  }
}

/** A name from Consul is printed and logged, so it may hold no control characters. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 500 && !/\p{Cc}/u.test(value)
}

function isDuration(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

export function heldValue({ epoch = 0, ...value }: HeldValue): string {
  return JSON.stringify(epoch > 0 ? { ...value, epoch } : value)
}

/** The value of a lock that is given back after its process was gone, or created together with its partition. */
export function cleanValue(since: string, instance?: string, next?: string | null, epoch = 0): string {
  return JSON.stringify({ clean: true, instance, next: next ?? undefined, since, epoch: epoch || undefined })
}

/**
 * The value of a lock whose last holder's machine is off, and so its process gone. @param last the holder @param off who
 * powered it off
 */
export function offValue(since: string, last: string, off: string, epoch = 0): string {
  return JSON.stringify({ clean: true, instance: last, off, since, epoch: epoch || undefined })
}

/**
 * The value of a lock whose partition may still run somewhere: the lock was found in our own session although we never
 * took it, or it is created for a partition that has lost its lock. @param instance the instance that writes it
 */
export function uncleanValue(since: string, instance?: string): string {
  return JSON.stringify({ clean: false, instance, since })
}

/** The lock was created again for a partition that had lost it, and nobody has held it since. */
export function isRemade({ session, clean, createIndex, modifyIndex }: Lock): boolean {
  return session === null && !clean && createIndex === modifyIndex
}
