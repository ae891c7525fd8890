/** `spec/settings`: what operators change. Fields that this version does not know are preserved. */

import { Permanent, Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import { isVersion } from '../base/version.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'

export interface Settings {
  /** Instances that stay in the cluster but are assigned no partitions. */
  readonly drained: readonly string[]
  /**
   * Those of `drained` that members drained because their release does not know the placement in force. Such a drain ends by
   * itself. Left out when there are none.
   */
  readonly older?: readonly string[]
  /** Partitions that are stopped on purpose: no instance runs them. */
  readonly held: readonly string[]
  /** Raised after a Consul backup was restored into new servers, so that fencing tokens keep growing. */
  readonly epoch: number
  /** The version in force; left out until there is one. */
  readonly version?: string
  /** Other versions for some partitions: of the entries whose glob fits, the last one counts. */
  readonly only?: readonly { readonly partitions: string; readonly version: string }[]
  /** The roll-out under way. `ready`: every instance has prepared the version. */
  readonly roll?: { readonly id: string; readonly to: string | null; readonly ready?: true }
}

export const defaults: Settings = { drained: [], held: [], epoch: 0 }

/** The settings in force, and what is wrong with the key. */
export interface Found {
  readonly settings: Settings
  /** What is wrong with the key; null when nothing is. */
  readonly problem: string | null
  /** The epoch in the key when it is lower than one seen before; null when it is not, or the key is garbled. */
  readonly fallen: number | null
}

/**
 * The settings in force: those in Consul, or when those are wrong, the last good ones together with the problem. The
 * epoch never falls, whatever happens to the key, because fencing tokens must not fall.
 * @param seen the highest epoch of any token known to have been handed out
 */
export function settingsFrom(text: string | null, lastGood: Settings, seen = 0): Found {
  const found = text === null ? defaults : parse(text)
  const epoch = Math.max(found?.epoch ?? 0, lastGood.epoch, seen)
  const problem = found === null ? faultOf(text ?? '') : null
  return {
    settings: { ...(found ?? lastGood), epoch },
    problem,
    fallen: found !== null && found.epoch < epoch ? found.epoch : null,
  }
}

function parse(text: string): Settings | null {
  const value = objectIn(text)
  if (value === null) return null
  const { drained = [], held = [], epoch = 0, older, ...rest } = value
  if (!areNames(drained) || !areNames(held) || !areVersions(rest)) return null
  // A garbled mark is none: those drains then last until somebody ends them.
  const marked = areNames(older) ? older.filter(one => drained.includes(one)) : []
  return isEpoch(epoch) ? { ...rest, ...(marked.length > 0 && { older: marked }), drained, held, epoch } : null
}

/** With a drain that lasts until whoever asked for it ends it. */
export function withDrain(settings: Settings, instance: string): Settings {
  return { ...unmarked(settings, [instance]), drained: [...new Set([...settings.drained, instance])].sort() }
}

export function withoutDrain(settings: Settings, instances: readonly string[]): Settings {
  return {
    ...unmarked(settings, instances),
    drained: settings.drained.filter(instance => !instances.includes(instance)),
  }
}

/** With drains of members of older releases; who is drained already stays as it is. */
export function withOlderDrained(settings: Settings, instances: readonly string[]): Settings {
  const others = instances.filter(instance => !settings.drained.includes(instance))
  if (others.length === 0) return settings
  return {
    ...settings,
    older: [...(settings.older ?? []), ...others].sort(),
    drained: [...settings.drained, ...others].sort(),
  }
}

function unmarked({ older = [], ...settings }: Settings, instances: readonly string[]): Settings {
  const left = older.filter(instance => !instances.includes(instance))
  return left.length > 0 ? { ...settings, older: left } : settings
}

/** Why settings cannot be used. */
function faultOf(text: string): string {
  const value = objectIn(text)
  if (value === null) return 'it is not a JSON object'
  const { drained = [], held = [] } = value
  const field = !areNames(drained) ? 'drained' : !areNames(held) ? 'held' : null
  if (field !== null) return `it is not right: "${field}" has to be a list of names`
  if (!areVersions(value))
    return 'it is not right: "version", "only" and "roll" have to be as watchbill roll writes them'
  return `it is not right: "epoch" has to be a whole number from 0 to ${highestEpoch}`
}

export function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= highestEpoch
}

function areVersions({ version, only = [], roll }: Record<string, unknown>): boolean {
  const isOnly = (one: unknown) => isObject(one) && typeof one.partitions === 'string' && isVersion(one.version)
  const isRoll = isObject(roll) && typeof roll.id === 'string' && (roll.to === null || isVersion(roll.to))
  return (
    (version === undefined || isVersion(version)) &&
    (roll === undefined || isRoll) &&
    Array.isArray(only) &&
    only.length <= mostOnly &&
    only.every(isOnly)
  )
}

/** So many groups of partitions may have versions of their own. */
export const mostOnly = 20

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function areNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(name => typeof name === 'string')
}

function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}

/**
 * Tokens stay below 2^53, which the numbers of every language can hold: 2^40 for the Raft index of an acquisition, and
 * 2^13 epochs.
 */
const epochSize = 2 ** 40
export const highestEpoch = 2 ** 13 - 1

/** The fencing token: the Raft index of the acquisition, plus an offset above all tokens of earlier epochs. */
export function fencingToken(epoch: number, index: number): string {
  return String(epoch * epochSize + index)
}

/** The epoch of a token. */
export function epochOf(token: string): number {
  return Math.floor(Number(token) / epochSize)
}

/**
 * Writes an epoch that was seen back into the settings that lost it: a new machine would hand out lower tokens than
 * others have seen. @returns whether this program wrote it
 * @throws Permanent, Temporary as `changeSettings`
 */
export async function restoreEpoch(consul: Consul, keys: Keys, seen: number): Promise<boolean> {
  const raised = (settings: Settings) => ({ ...settings, epoch: Math.max(settings.epoch, seen) })
  return (await changeSettings(consul, keys, raised)).changed
}

/**
 * Changes the settings and, in the same transaction, writes the revision key, which all instances watch. A revision that is
 * missing stays missing: it says that a set was written, and every instance would stop what an empty set lacks.
 * @param along further operations of the transaction; when their own conditions refuse it, nothing is changed
 * @param why for the record of events
 * @returns the settings after the change, and whether anything changed
 * @throws Permanent when those in Consul are garbled; Temporary when others kept changing them meanwhile
 */
export async function changeSettings(
  consul: Consul,
  keys: Keys,
  change: (settings: Settings) => Settings,
  { along = [], why = null }: { readonly along?: readonly Operation[]; readonly why?: string | null } = {},
): Promise<{ settings: Settings; changed: boolean }> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const entries = await trees(consul, [keys.settings, keys.revision])
    const entry = entries.find(({ key }) => key === keys.settings)
    const before = entry?.value ? parse(entry.value) : defaults
    if (!before) throw new Permanent(`cannot change ${keys.settings}: it is garbled; mend it with consul kv put`)
    const after = change(before)
    if (entry && JSON.stringify(after) === JSON.stringify(before)) return { settings: before, changed: false }
    const own = [
      { Verb: 'cas', Key: keys.settings, Index: entry?.modifyIndex ?? 0, Value: base64(JSON.stringify(after)) },
      ...(entries.some(({ key }) => key === keys.revision) ? [revisionBump(keys)] : []),
    ] as const
    const outcome = await transact(consul, [...own, ...along, ...(await eventsOf(consul, keys, before, after, why))])
    if (outcome.done) return { settings: after, changed: true }
    if ([...outcome.failed].some(position => position >= own.length)) return { settings: before, changed: false }
  }
  throw new Temporary(`cannot change ${keys.settings}: others keep changing it; try again`)
}

/** Loaded late: every handler loads this file, and few change anything. */
async function eventsOf(consul: Consul, keys: Keys, before: Settings, after: Settings, why: string | null) {
  if (consul.by === undefined) return []
  const { recorded, settingsEvents } = await import('./asked.ts')
  return recorded(consul, keys, settingsEvents(before, after, why))
}

/** The write to the key that all instances watch. */
export function revisionBump(keys: Keys) {
  return { Verb: 'set', Key: keys.revision, Value: base64(JSON.stringify({ at: new Date().toISOString() })) } as const
}
