/**
 * `roll`: the roll-out under way, or the last one: a new version, or a restart, that reaches the partitions step by step. The
 * whole record stands in this one key, of a size that does not grow with the partitions. It is not below spec/: each step
 * would wake everybody. Its next state is computed by lib/roll/next.ts, and written by check-and-set.
 */
import { fieldsIn, textIn } from '../base/json.ts'
import { isVersion } from '../base/version.ts'
import type { Entry } from '../consul/kv.ts'
import type { Settings } from './settings.ts'

export const rollStates = [
  /** Every instance prepares the version; nothing is restarted yet. */
  'preparing',
  'rolling',
  /** A step is done, and waits for `--proceed`. */
  'waiting',
  'paused',
  /** Something failed: it waits for people. */
  'stopped',
  /** What has the new version gets the old one back. */
  'reverting',
  'done',
  'reverted',
] as const
export type RollState = (typeof rollStates)[number]

/** A number of units, or a share of them. */
export type Amount = { readonly number: number } | { readonly percent: number }

export interface Roll {
  readonly id: string
  /** The version; null when everything is only started again. */
  readonly to: string | null
  /** The version in force when it began, for people. */
  readonly from: string
  /** Who began it, and when, wall clock, ISO; for people. */
  readonly by: string
  readonly since: string
  /** What is counted and restarted at a time: partitions, or instances where one process has all of an instance's. */
  readonly unit: 'partition' | 'instance'
  /** The most units that may be unavailable. */
  readonly max: Amount
  /** How many units have the new version after each step; all of them after the last. */
  readonly steps: readonly Amount[]
  /** How long a unit must be ready before it counts as well, and how long that may take, ms. */
  readonly settleMs: number
  readonly limitMs: number
  /** Each step waits for a person. */
  readonly ack: boolean
  readonly autoRevert: boolean
  /** The partitions that it is for, as a glob; null for all. */
  readonly only: string | null

  readonly state: RollState
  /** What a pause or a failure interrupted; null for none. */
  readonly before: RollState | null
  /** The step under way, from 0. */
  readonly step: number
  /** The last unit, in the order of names, that is to have the new version; null for none yet. */
  readonly cursor: string | null
  /** Units, and instances that could not prepare, which nobody waits for. */
  readonly skipped: readonly string[]
  /** Raised by each `--resume` after a failure: instances prepare again, and the units in `again` are started once more. */
  readonly round: number
  readonly again: readonly string[]
  /** Why it stopped, or was reverted; null otherwise. */
  readonly why: string | null
  /** How many units had the new version, of how many, when that was last written; for people. */
  readonly reached: number
  readonly of: number
  /** When the state last changed, wall clock, ISO; for people. */
  readonly changed: string
}

/** The key as it was read. */
export interface RollInForce extends Roll {
  /** The key's ModifyIndex. */
  readonly index: number
}

/** Nobody can read what the key says: nothing goes on until somebody begins another roll. */
export type Garbled = { readonly garbled: true; readonly index: number }

export function isGarbled(found: RollInForce | Garbled | null): found is Garbled {
  return found !== null && 'garbled' in found
}

/** Null when there never was one. */
export function rollFrom(entry: Entry | undefined): RollInForce | Garbled | null {
  if (entry === undefined) return null
  const value = fieldsIn(entry.value)
  const index = entry.modifyIndex
  return isRoll(value) ? { ...cleaned(value), index } : { garbled: true, index }
}

export function rollValue({ index: _, ...roll }: Roll & { readonly index?: number }): string {
  return JSON.stringify(roll)
}

/** A roll ends by itself only in these states. */
export function isOver({ state }: Pick<Roll, 'state'>): boolean {
  return state === 'done' || state === 'reverted'
}

/** The record belongs to the roll that the settings name. */
export function isUnderWay(
  roll: RollInForce | Garbled | null | undefined,
  { roll: named }: Settings,
): roll is RollInForce {
  return roll != null && !isGarbled(roll) && named?.id === roll.id && !isOver(roll)
}

const mostSteps = 20
/** The most names that nobody waits for. */
export const mostSkipped = 500

function isRoll(value: Record<string, unknown>): value is Record<string, unknown> & Roll {
  const { id, to, unit, max, steps, settleMs, limitMs, only, state, before, step, cursor, skipped, round, again } =
    value
  return (
    isName(id) &&
    (to === null || isVersion(to)) &&
    (unit === 'partition' || unit === 'instance') &&
    isAmount(max) &&
    Array.isArray(steps) &&
    steps.length > 0 &&
    steps.length <= mostSteps &&
    steps.every(isAmount) &&
    isDuration(settleMs) &&
    isDuration(limitMs) &&
    isNameOrNull(only) &&
    isState(state) &&
    (before === null || isState(before)) &&
    Number.isSafeInteger(step) &&
    (step as number) >= 0 &&
    (step as number) < steps.length &&
    isNameOrNull(cursor) &&
    Array.isArray(skipped) &&
    skipped.length <= mostSkipped &&
    skipped.every(isName) &&
    Array.isArray(again) &&
    again.length <= mostSkipped &&
    again.every(isName) &&
    Number.isSafeInteger(round)
  )
}

/** What is only shown may be anything; as text it may hold no control characters. */
function cleaned(value: Roll): Roll {
  const shown = (text: unknown) =>
    textIn(text)
      .replace(/\p{Cc}/gu, ' ')
      .slice(0, 500)
  const count = (number: unknown) => (Number.isSafeInteger(number) ? (number as number) : 0)
  const { from, by, since, why, changed, ack, autoRevert, reached, of } = value
  return {
    ...value,
    ...{ from: shown(from), by: shown(by), since: shown(since), changed: shown(changed) },
    ...{ why: typeof why === 'string' ? shown(why) : null, ack: ack === true, autoRevert: autoRevert === true },
    ...{ reached: count(reached), of: count(of) },
  }
}

function isState(value: unknown): value is RollState {
  return rollStates.includes(value as RollState)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 500 && !/\p{Cc}/u.test(value)
}

function isNameOrNull(value: unknown): value is string | null {
  return value === null || isName(value)
}

function isDuration(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 86_400_000
}

function isAmount(value: unknown): value is Amount {
  if (typeof value !== 'object' || value === null) return false
  const { number, percent } = value as Record<string, unknown>
  if (number !== undefined) return percent === undefined && Number.isSafeInteger(number) && (number as number) >= 1
  return typeof percent === 'number' && percent > 0 && percent <= 100
}

/** So many of so many, rounded up, and at least one. */
export function amountOf(amount: Amount, all: number): number {
  return 'number' in amount ? amount.number : Math.max(1, Math.ceil((amount.percent * all) / 100))
}

/** The most that may be unavailable: a share is rounded down, but for one. */
export function mostOf(amount: Amount, all: number): number {
  return 'number' in amount ? amount.number : Math.max(1, Math.floor((amount.percent * all) / 100))
}
