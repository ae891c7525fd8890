/**
 * `spec/number`: how many partitions there are to be, numbered from 0. A percentage follows the members; a number that people
 * set (`watchbill scale`) wins over the definitions until it is reset. It is written by check-and-set, and says how far the
 * set has been brought: whoever finds it behind goes on.
 */
import { fieldsIn, textIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import { base64, type Entry } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { mostIds, type Share } from '../definition/definition.ts'
import { revisionBump } from './settings.ts'

export interface Count {
  /**
   * `reset`: the definitions count again, and an instance has yet to write what its own says. `garbled`: nobody can read what
   * the key says, so the set stays as it is.
   */
  readonly by: 'hand' | 'definition' | 'reset' | 'garbled'
  readonly number: number
  /** The set has been brought to the number. */
  readonly done: boolean
  /** Until then: numbers below this one may have been in the set before, so that they may still run somewhere. */
  readonly had: number
  /** What the number is a percentage of; null for a number that stays. */
  readonly share: Share | null
  /** False when the locks of the new partitions may not be created as clean. */
  readonly clean: boolean
  /** Of a reset: the instance that carries it out; null for none yet. */
  readonly instance: string | null
  /** Wall clock, ISO, for people. */
  readonly since: string
  /** The number is by `hand`, and not people but the scheduler of the service has set it; left out otherwise. */
  readonly scheduler?: true
}

/** The key as it was read. */
export interface CountInForce extends Count {
  /** The key's ModifyIndex. */
  readonly index: number
}

const unknown: Count = {
  by: 'garbled',
  number: 0,
  done: false,
  had: 0,
  share: null,
  clean: true,
  instance: null,
  since: '',
}

/** Null when there is no such key: then the definitions say which partitions there are. */
export function countFrom(entry: Entry | undefined): CountInForce | null {
  if (entry === undefined) return null
  const { modifyIndex: index } = entry
  const { by, number, done, had, share, clean, instance, since, scheduler } = fieldsIn(entry.value)
  const isWhole = isBy(by) && isCount(number) && isCount(had) && (share === undefined || isShare(share))
  if (!isWhole) return { ...unknown, index }
  return {
    by,
    number,
    done: done === true,
    had,
    share: share ?? null,
    clean: clean !== false,
    instance: typeof instance === 'string' ? instance : null,
    since: textIn(since)
      .replace(/\p{Cc}/gu, ' ')
      .slice(0, 50),
    ...(by === 'hand' && scheduler === true && { scheduler }),
    index,
  }
}

function isBy(by: unknown): by is 'hand' | 'definition' | 'reset' {
  return by === 'hand' || by === 'definition' || by === 'reset'
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= mostIds
}

/** As `watchbill scale` and definitions take them: a higher one would fill the set with one write. */
const mostPercent = 10_000
const shareName = /^(weight|meta\.[A-Za-z0-9_-]{1,128})$/

function isShare(value: unknown): value is Share {
  if (typeof value !== 'object' || value === null) return false
  const { percent, of, settleMs } = value as Record<string, unknown>
  const areNumbers = [percent, settleMs].every(one => typeof one === 'number' && Number.isFinite(one) && one >= 0)
  return areNumbers && (percent as number) > 0 && (percent as number) <= mostPercent && shareName.test(String(of))
}

/** The write of the key, if it is still as it was read; it wakes every instance. @param before null when there was none */
export function counting(keys: Keys, before: Pick<CountInForce, 'index'> | null, count: Count): Operation[] {
  return [counted(keys, before, count), revisionBump(keys)]
}

/** The same without waking anybody: before there is a set. */
export function counted(keys: Keys, before: Pick<CountInForce, 'index'> | null, count: Count): Operation {
  const { by, number, done, had, share, clean, instance, since, scheduler } = count
  const value = {
    ...{ by, number, done, had },
    ...(share && { share }),
    ...(!clean && { clean }),
    ...(instance !== null && { instance }),
    ...(scheduler && { scheduler }),
    since,
  }
  return { Verb: 'cas', Key: keys.number, Index: before?.index ?? 0, Value: base64(JSON.stringify(value)) }
}

/** The condition of a write by a number that must still be in force. */
export function countUnchanged(keys: Keys, { index }: Pick<CountInForce, 'index'>): Operation {
  return { Verb: 'check-index', Key: keys.number, Index: index }
}

export function idsUpTo(number: number): string[] {
  return Array.from({ length: number }, (_, at) => String(at))
}

/** The number that an id is, as `idsUpTo` writes it; null for any other id. */
export function numberIn(id: string): number | null {
  return /^(0|[1-9]\d{0,8})$/.test(id) ? Number(id) : null
}

/** The lowest number that is above all numbers in the set: how far a set without a key has been brought. */
export function countIn(ids: Iterable<string>): number {
  let most = 0
  for (const id of ids) most = Math.max(most, (numberIn(id) ?? -1) + 1)
  return most
}

/** What a member gives to a percentage. */
export interface Giving {
  readonly weight: number
  readonly absence: string | null
  readonly offers?: { readonly meta: Readonly<Record<string, string>> }
}

/** Sums of decimal numbers have rounding errors: a share this close to a whole number is that number. */
const nearly = 1e-9

/**
 * The number of partitions that a percentage means now, rounded up; at most `mostIds`.
 * @returns null when no member that takes its share has what it is a percentage of: then the number stays
 */
export function numberFor({ percent, of }: Pick<Share, 'percent' | 'of'>, members: readonly Giving[]): number | null {
  const present = members.filter(({ absence }) => absence === null)
  const total = present.reduce((sum, member) => sum + given(member, of), 0)
  if (!(total > 0)) return null
  return Math.min(mostIds, Math.max(1, Math.ceil((total * percent) / 100 - nearly)))
}

function given({ weight, offers }: Giving, of: string): number {
  if (of === 'weight') return weight
  const name = of.slice('meta.'.length)
  const text = Object.hasOwn(offers?.meta ?? {}, name) ? (offers?.meta[name] ?? '') : ''
  const number = text.trim() === '' ? 0 : Number(text)
  return number > 0 && number <= 1e12 ? number : 0
}

/** "12", or "7% of weight" */
export function countWords({ number, share }: Pick<Count, 'number' | 'share'>): string {
  return share === null ? String(number) : `${number}, ${share.percent}% of ${share.of}`
}

/** Another number takes the place of one: whatever the set had, or was being brought to, may be there. */
export function followedBy(
  before: Count | null,
  ids: Iterable<string>,
  next: Pick<Count, 'by' | 'number' | 'share' | 'since' | 'scheduler'>,
): Count {
  const isKnown = before !== null && before.by !== 'garbled'
  const had = Math.max(countIn(ids), isKnown ? before.had : 0, isKnown && !before.done ? before.number : 0)
  return { ...next, had, done: false, clean: before?.clean ?? true, instance: null }
}

/** Two percentages that mean the same, however long they settle. */
export function sameShare(one: Share | null | undefined, other: Share | null | undefined): boolean {
  return one?.percent === other?.percent && one?.of === other?.of
}
