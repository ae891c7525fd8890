/**
 * Pure: the next step of a contender after a look at a lock. The lock `<name>` consists of the key `spec` and one key per
 * slot: `slot/<n>` has the same value as a partition's lock (lib/keys/lock.ts), `spec` says how many slots there are. If a
 * slot is missing while there is a spec, it was deleted and may still be in use.
 */

import type { LockKeys } from '../base/names.ts'
import { base64, type Entry } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { cleanValue, type Lock, lockFrom, uncleanValue, waitOf } from '../keys/lock.ts'
import { longest } from '../keys/terms.ts'
import type { FreeLock } from '../look/free.ts'
import { doubtful, refreshSeenHeld, type SeenHeld, withDoubts } from '../look/seen-held.ts'
import type { Terms } from '../state/local.ts'
import type { Order } from './order.ts'

/** `lease` and `grace` are the longest that any holder used: how long an unknown holder's command may still run. */
export interface Spec extends Terms {
  readonly slots: number
  /** Raised by hand after a backup was restored into new servers, so that fencing tokens go on growing. */
  readonly epoch: number
}

export interface Look {
  /** null when it is missing or garbled. */
  readonly spec: Spec | null
  /** The spec's ModifyIndex; 0 when it is missing. */
  readonly specIndex: number
  readonly slots: ReadonlyMap<number, Lock>
  /** The highest epoch in the spec and in the slots: it never falls. */
  readonly epoch: number
}

/** What a contender remembers of its earlier looks. */
export interface Memory {
  readonly seenHeld: SeenHeld
  /** The longest lease and grace that it has seen. */
  readonly terms: Terms
}

export const nothingSeen: Memory = { seenHeld: new Map(), terms: { lease: 0, grace: 0 } }

/**
 * Corrects a look by what the contender saw before: a slot that was seen held, and was created again as clean without being
 * given back, is not clean. A lock whose keys were all deleted may still be in use.
 */
export function recalled(look: Look, before: Memory): { readonly look: Look; readonly memory: Memory } {
  const bySlot = new Map([...look.slots].map(([n, lock]) => [String(n), lock]))
  const doubts = new Set(doubtful(before.seenHeld, bySlot))
  const slots = withDoubts(look.slots, new Set([...doubts].map(Number)))
  const defined = look.spec !== null
  const seenHeld = refreshSeenHeld(before.seenHeld, bySlot, { doubts, isRemoved: () => false, defined })
  const held = [...slots.values()].flatMap(({ held }) => held ?? [])
  return {
    look: { ...look, slots },
    memory: { seenHeld, terms: longest([before.terms, ...held, ...(look.spec ? [look.spec] : [])]) },
  }
}

export type Next =
  | { readonly do: 'write'; readonly operations: readonly Operation[] }
  /** There is no lock: find out whether it is new, or all its keys were deleted. */
  | { readonly do: 'make' }
  | { readonly do: 'take'; readonly slot: number; readonly index: number }
  /** Until another look is due, boot-clock ms; null when only a change can help. */
  | { readonly do: 'wait'; readonly until: number | null }
  | { readonly do: 'disagree'; readonly slots: number }

export type Wanted = Pick<Order, 'slots' | 'terms'>

export function lookFrom(keys: LockKeys, entries: readonly Entry[]): Look {
  const found = entries.find(({ key }) => key === keys.spec)
  const slots = entries.flatMap(entry => {
    const number = Number(entry.key.slice(keys.slots.length))
    return number >= 0 && entry.key === keys.slot(number) ? [[number, lockFrom(entry)] as const] : []
  })
  const spec = specFrom(found?.value ?? null)
  const epoch = Math.max(spec?.epoch ?? 0, ...slots.map(([, slot]) => slot.epoch))
  return { spec, specIndex: found?.modifyIndex ?? 0, slots: new Map(slots), epoch }
}

function specFrom(text: string | null): Spec | null {
  try {
    const { slots, lease, grace, epoch = 0 } = JSON.parse(text ?? '{}')
    return [slots, lease, grace, epoch].every(number => Number.isSafeInteger(number) && number >= 0)
      ? { slots, lease, grace, epoch }
      : null
  } catch {
    return null
  }
}

/** The free slots and their ModifyIndexes, as lib/look/free.ts keeps them. */
export function freeSlots({ slots }: Look): Map<string, number> {
  return new Map([...slots].flatMap(([n, lock]) => (lock.session === null ? [[String(n), lock.modifyIndex]] : [])))
}

/** @param free since when each free slot has been seen free; @param now boot clock, ms */
export function decide(
  keys: LockKeys,
  look: Look,
  wanted: Wanted,
  free: ReadonlyMap<string, FreeLock>,
  now: number,
): Next {
  const { spec, slots } = look
  if (spec === null) return { do: 'make' }
  if (spec.slots !== wanted.slots) {
    const unused = [...slots.values()].every(lock => lock.session === null && lock.clean)
    return unused ? { do: 'write', operations: resize(keys, look, wanted) } : { do: 'disagree', slots: spec.slots }
  }
  const missing = numbers(wanted.slots).filter(n => !slots.has(n))
  if (missing.length > 0) return { do: 'write', operations: missing.map(n => madeSlot(keys, n, false)) }
  const due = numbers(wanted.slots)
    .map(n => ({ n, at: dueAt(look, wanted, n, free) }))
    .filter(({ at }) => at !== null)
    .sort((a, b) => Number(a.at) - Number(b.at))[0]
  if (due === undefined) return { do: 'wait', until: null }
  const { modifyIndex } = slots.get(due.n) as Lock
  return Number(due.at) <= now ? { do: 'take', slot: due.n, index: modifyIndex } : { do: 'wait', until: due.at }
}

/** When a slot may be taken, boot-clock ms; null while it is held. */
function dueAt(look: Look, wanted: Wanted, n: number, free: ReadonlyMap<string, FreeLock>): number | null {
  const lock = look.slots.get(n) as Lock
  if (lock.session !== null) return null
  if (lock.clean) return 0
  const since = free.get(String(n))?.since
  return since === undefined ? null : since + waitOf(lock, possibleTerms(look, wanted))
}

/** Lease and grace of possible holders, for a lock whose value does not name its holder. */
function possibleTerms({ spec }: Look, { terms }: Wanted): Terms[] {
  return [terms, ...(spec ? [spec] : [])]
}

/** Creates the lock: clean when it has never existed. @param anyone whether the lock may be in use */
export function make(keys: LockKeys, look: Look, wanted: Wanted, anyone: boolean): Operation[] {
  const clean = look.specIndex === 0 && look.slots.size === 0 && !anyone
  const missing = numbers(wanted.slots).filter(n => !look.slots.has(n))
  return [writeSpec(keys, look, wanted), ...missing.map(n => madeSlot(keys, n, clean))]
}

/** Changes the number of slots, only while all are unused. */
function resize(keys: LockKeys, look: Look, wanted: Wanted): Operation[] {
  const before = (look.spec as Spec).slots
  const kept = [...look.slots].map(([n, { modifyIndex }]): Operation => {
    return { Verb: n < wanted.slots ? 'check-index' : 'delete-cas', Key: keys.slot(n), Index: modifyIndex }
  })
  const missing = numbers(wanted.slots).filter(n => !look.slots.has(n))
  return [writeSpec(keys, look, wanted), ...kept, ...missing.map(n => madeSlot(keys, n, n >= before))]
}

function madeSlot(keys: LockKeys, n: number, clean: boolean): Operation {
  const since = new Date().toISOString()
  const value = clean ? cleanValue(since) : uncleanValue(since, 'unknown')
  return { Verb: 'cas', Key: keys.slot(n), Index: 0, Value: base64(value) }
}

/** The operation that raises the spec's lease and grace to ours; empty when they suffice. */
export function coverTerms(keys: LockKeys, look: Look, wanted: Wanted): Operation[] {
  const { spec } = look
  const terms = spec !== null && spec.lease >= wanted.terms.lease && spec.grace >= wanted.terms.grace
  const covered = terms && spec.epoch >= look.epoch
  return covered ? [] : [writeSpec(keys, look, wanted)]
}

function writeSpec(keys: LockKeys, { spec, specIndex, epoch }: Look, { slots, terms }: Wanted): Operation {
  const value: Spec = {
    slots,
    lease: Math.max(spec?.lease ?? 0, terms.lease),
    grace: Math.max(spec?.grace ?? 0, terms.grace),
    epoch,
  }
  return { Verb: 'cas', Key: keys.spec, Index: specIndex, Value: base64(JSON.stringify(value)) }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
