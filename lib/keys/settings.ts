/** `spec/settings`: what operators change. Fields that this version does not know are preserved. */

import { Permanent, Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact, trees } from '../consul/kv.ts'

export interface Settings {
  /** Instances that stay in the cluster but are assigned no partitions. */
  readonly drained: readonly string[]
  /** Partitions that are stopped on purpose: no instance runs them. */
  readonly held: readonly string[]
  /** Raised after a Consul backup was restored into new servers, so that fencing tokens keep growing. */
  readonly epoch: number
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
  const { drained = [], held = [], epoch = 0, ...rest } = value
  if (!areNames(drained) || !areNames(held)) return null
  return isEpoch(epoch) ? { ...rest, drained, held, epoch } : null
}

/** Why settings cannot be used. */
function faultOf(text: string): string {
  const value = objectIn(text)
  if (value === null) return 'it is not a JSON object'
  const { drained = [], held = [] } = value
  const field = !areNames(drained) ? 'drained' : !areNames(held) ? 'held' : null
  if (field !== null) return `it is not right: "${field}" has to be a list of names`
  return `it is not right: "epoch" has to be a whole number from 0 to ${highestEpoch}`
}

export function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= highestEpoch
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
 * @param why for the record of events
 * @returns the settings after the change, and whether anything changed
 * @throws Permanent when those in Consul are garbled; Temporary when others kept changing them meanwhile
 */
export async function changeSettings(
  consul: Consul,
  keys: Keys,
  change: (settings: Settings) => Settings,
  why: string | null = null,
): Promise<{ settings: Settings; changed: boolean }> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const entries = await trees(consul, [keys.settings, keys.revision])
    const entry = entries.find(({ key }) => key === keys.settings)
    const before = entry?.value ? parse(entry.value) : defaults
    if (!before) throw new Permanent(`cannot change ${keys.settings}: it is garbled; mend it with consul kv put`)
    const after = change(before)
    if (entry && JSON.stringify(after) === JSON.stringify(before)) return { settings: before, changed: false }
    const outcome = await transact(consul, [
      { Verb: 'cas', Key: keys.settings, Index: entry?.modifyIndex ?? 0, Value: base64(JSON.stringify(after)) },
      ...(entries.some(({ key }) => key === keys.revision) ? [revisionBump(keys)] : []),
      ...(await eventsOf(consul, keys, before, after, why)),
    ])
    if (outcome.done) return { settings: after, changed: true }
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
