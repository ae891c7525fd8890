/** What stands in `lock/<id>`, and how long a contender leaves a free lock alone because of it. */
import { textIn } from '../base/json.ts'
import type { Entry } from '../consul/kv.ts'
import type { Terms } from '../state/local.ts'
import { isEpoch } from './settings.ts'

/** Written by the acquisition. `lease` and `grace` in ms are those it was made with, whatever the definition says now. */
export interface HeldValue {
  readonly instance: string
  readonly acquisition: string
  readonly lease: number
  readonly grace: number
  /** Wall clock, for people. */
  readonly since: string
  readonly version: string
  /** Of the token that was handed out with it; left out for 0. */
  readonly epoch?: number
}

/** One lock as a look at Consul found it. */
export interface Lock {
  /** The session that holds it; null when it is free. */
  readonly session: string | null
  readonly createIndex: number
  readonly modifyIndex: number
  /** The acquisition that wrote the value; null when the value is clean, or garbled. */
  readonly held: HeldValue | null
  /** Given back after its process was gone, and the value says so believably. */
  readonly clean: boolean
  /** Whom a clean one was given back for; null when for nobody in particular. */
  readonly next: string | null
  /** Of the last token that was handed out for it, as far as its value tells. */
  readonly epoch: number
}

/** The longest that any value, however garbled or hostile, can keep a partition idle, in ms. */
export const longestWait = 300_000
/** The second in W = L + G + 1 s. */
const margin = 1000

/** W in ms, of a lease and a grace period in ms. */
export function takeoverWait(lease: number, grace: number): number {
  return Math.min(lease + grace + margin, longestWait)
}

/** How long a free lock is left alone, ms: W of its last holder, or of the slowest of those who may have had it. */
export function waitOf(lock: Pick<Lock, 'held'> | null, others: readonly Terms[]): number {
  return lock?.held ? takeoverWait(lock.held.lease, lock.held.grace) : cautiousWait(others)
}

/** Locks of which nobody knows whose they were: the longest W among those who may have had them, or of all that there are. */
export function cautiousWait(terms: readonly Terms[]): number {
  if (terms.length === 0) return longestWait
  return Math.max(...terms.map(({ lease, grace }) => takeoverWait(lease, grace)))
}

export function lockFrom(entry: Entry): Lock {
  // A plain PUT by anyone resets LockIndex to 0 and proves nothing; a value is believable when it was written under a
  // lock, or with the key itself.
  const believable = entry.lockIndex >= 1 || entry.createIndex === entry.modifyIndex
  const value = parseValue(entry.value)
  return {
    session: entry.session,
    createIndex: entry.createIndex,
    modifyIndex: entry.modifyIndex,
    held: believable ? heldFrom(value) : null,
    clean: believable && value?.clean === true,
    next: believable && value?.clean === true && isName(value.next) ? value.next : null,
    // No value that is made together with its key holds one.
    epoch: entry.lockIndex >= 1 && isEpoch(value?.epoch) ? value.epoch : 0,
  }
}

function parseValue(text: string | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null
  } catch {
    return null // a garbled value is a value that tells nothing
  }
}

function heldFrom(value: Record<string, unknown> | null): HeldValue | null {
  if (value === null || value.clean !== undefined) return null
  const { instance, acquisition, lease, grace, since, version } = value
  if (!isName(instance) || !isName(acquisition)) return null
  if (!isDuration(lease) || !isDuration(grace)) return null
  return { instance, acquisition, lease, grace, since: textIn(since), version: textIn(version) }
}

/** It is printed and logged: one line, nothing that moves a cursor. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 500 && !/\p{Cc}/u.test(value)
}

function isDuration(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

export function heldValue({ epoch = 0, ...value }: HeldValue): string {
  return JSON.stringify(epoch > 0 ? { ...value, epoch } : value)
}

/** Of a lock that is given back after its process was gone, or is made together with its partition. */
export function cleanValue(since: string, instance?: string, next?: string | null, epoch = 0): string {
  return JSON.stringify({ clean: true, instance, next: next ?? undefined, since, epoch: epoch || undefined })
}

/**
 * Of a lock of which nobody knows who may still run its partition: it was found in one's own session without one's having
 * taken it, or is made for a partition that has lost its lock. @param instance who wrote it
 */
export function uncleanValue(since: string, instance?: string): string {
  return JSON.stringify({ clean: false, instance, since })
}

/** Made for a partition that had lost its lock, and nobody has had it since. */
export function isRemade({ session, clean, createIndex, modifyIndex }: Lock): boolean {
  return session === null && !clean && createIndex === modifyIndex
}
