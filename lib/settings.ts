/** `spec/settings`: what operators change. Fields that this version does not know are kept as they are. */
import type { Consul } from './consul/http.ts'
import { base64, transact, trees } from './consul/kv.ts'
import { Permanent, Temporary } from './errors.ts'
import type { Keys } from './names.ts'

export interface Settings {
  /** Instances that stay in the cluster but are assigned nothing. */
  readonly drained: readonly string[]
  /** Partitions that are stopped on purpose: nobody runs them. */
  readonly held: readonly string[]
  /** Raised after a Consul backup was restored into new servers, so that fencing tokens go on growing. */
  readonly epoch: number
}

export const defaults: Settings = { drained: [], held: [], epoch: 0 }

/**
 * The settings in force: those in Consul, or the last good ones and what is wrong with those in Consul. The epoch never
 * falls, whatever becomes of the key: tokens must not.
 */
export function settingsFrom(text: string | null, lastGood: Settings): { settings: Settings; problem: string | null } {
  const settings = text === null ? defaults : parse(text)
  if (settings === null) return { settings: lastGood, problem: 'it is not {"drained": […], "held": […], "epoch": n}' }
  return { settings: { ...settings, epoch: Math.max(settings.epoch, lastGood.epoch) }, problem: null }
}

function parse(text: string): Settings | null {
  const value = objectIn(text)
  if (value === null) return null
  const { drained = [], held = [], epoch = 0, ...rest } = value
  if (!areNames(drained) || !areNames(held)) return null
  if (!Number.isSafeInteger(epoch) || (epoch as number) < 0 || (epoch as number) > highestEpoch) return null
  return { ...rest, drained, held, epoch: epoch as number }
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

/** Tokens stay below 2^53, so that every language's numbers hold them: 2^40 acquisitions' worth of Raft indexes, 2^13 epochs. */
const epochSize = 2 ** 40
export const highestEpoch = 2 ** 13 - 1

/** The fencing token: the Raft index of the acquisition, above all those of an earlier epoch. */
export function fencingToken(epoch: number, index: number): string {
  return String(epoch * epochSize + index)
}

/**
 * Changes the settings, and bumps the revision that everyone watches, in one transaction.
 * @returns the settings after the change, and whether anything changed
 * @throws Permanent when those in Consul are garbled; Temporary when others kept changing them meanwhile
 */
export async function changeSettings(
  consul: Consul,
  keys: Keys,
  change: (settings: Settings) => Settings,
): Promise<{ settings: Settings; changed: boolean }> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const entry = (await trees(consul, [keys.settings])).find(({ key }) => key === keys.settings)
    const before = entry?.value ? parse(entry.value) : defaults
    if (!before) throw new Permanent(`cannot change ${keys.settings}: it is garbled; mend it with consul kv put`)
    const after = change(before)
    if (entry && JSON.stringify(after) === JSON.stringify(before)) return { settings: before, changed: false }
    const outcome = await transact(consul, [
      { Verb: 'cas', Key: keys.settings, Index: entry?.modifyIndex ?? 0, Value: base64(JSON.stringify(after)) },
      revisionBump(keys),
    ])
    if (outcome.done) return { settings: after, changed: true }
  }
  throw new Temporary(`cannot change ${keys.settings}: others keep changing it; try again`)
}

/** The write that everyone watches. */
export function revisionBump(keys: Keys) {
  return { Verb: 'set', Key: keys.revision, Value: base64(JSON.stringify({ at: new Date().toISOString() })) } as const
}
