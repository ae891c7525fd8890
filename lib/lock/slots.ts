/**
 * Pure: what a contender does about a lock as it found it. The lock `<name>` is `spec` and one key per slot: `slot/<n>`
 * holds what a partition's lock does (lib/keys/lock.ts), `spec` how many there are. A slot that is missing while
 * there is a spec was deleted, so it may still be in use.
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

/** `lease` and `grace` are the longest that anybody took the lock with: how long one of whom nothing is known may live. */
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
  /** The highest that the spec says, or a slot's last token had: it never falls. */
  readonly epoch: number
}

/** What a contender remembers of its earlier looks. */
export interface Memory {
  readonly seenHeld: SeenHeld
  /** The longest that it saw anybody have. */
  readonly terms: Terms
}

export const nothingSeen: Memory = { seenHeld: new Map(), terms: { lease: 0, grace: 0 } }

/**
 * A look as a contender takes it who looked before: a slot that it saw held, and that reappears as clean without having
 * been given back, is not clean; and what was deleted as a whole may still be in use.
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
  /** Nothing is there: whether it is new, or was deleted as a whole, is to be found out. */
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

/** @param free since when each free slot was seen so; @param now boot clock, ms */
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

/** From when a slot may be taken, boot-clock ms; null while it is held. */
function dueAt(look: Look, wanted: Wanted, n: number, free: ReadonlyMap<string, FreeLock>): number | null {
  const lock = look.slots.get(n) as Lock
  if (lock.session !== null) return null
  if (lock.clean) return 0
  const since = free.get(String(n))?.since
  return since === undefined ? null : since + waitOf(lock, possibleTerms(look, wanted))
}

/** Of those who may have had a lock whose value does not say whose it was. */
function possibleTerms({ spec }: Look, { terms }: Wanted): Terms[] {
  return [terms, ...(spec ? [spec] : [])]
}

/** @param anyone whether somebody's session bears the lock's name. One that was never there is clean. */
export function make(keys: LockKeys, look: Look, wanted: Wanted, anyone: boolean): Operation[] {
  const clean = look.specIndex === 0 && look.slots.size === 0 && !anyone
  const missing = numbers(wanted.slots).filter(n => !look.slots.has(n))
  return [writeSpec(keys, look, wanted), ...missing.map(n => madeSlot(keys, n, clean))]
}

/** Another number of slots, while none is used. */
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

/** What has to be written so that the spec's terms cover ours; nothing when they do. */
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
