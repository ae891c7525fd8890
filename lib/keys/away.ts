/**
 * Instances that are away: they have disappeared without leaving, and their member keys are still there. A rule may keep
 * what they held for them (`wait`), and counts them as lost (`freeze`).
 */
import { fieldsIn } from '../base/json.ts'
import { decode } from '../base/names.ts'
import type { Registered } from '../consul/health.ts'
import type { Entry } from '../consul/kv.ts'
import type { Lock } from './lock.ts'
import { type Member, memberIn } from './member.ts'
import type { Settings } from './settings.ts'

/** What the member key that it left says, and what Consul says of it now. */
export interface Away extends Omit<Member, 'session' | 'absence'> {
  /** The ModifyIndex of that key: another one means that it was there again since. */
  readonly index: number
  /** Registered, and not passing. One that is passing again is about to take part. */
  readonly lost: boolean
  /** How long what it held waits for it, ms; 0 for no longer than the takeover wait. */
  readonly waitMs: number
}

/** @param prefix where the member keys start. An instance that was evicted has none; one that leaves is not waited for. */
export function awayFrom(
  entries: readonly Entry[],
  prefix: string,
  registered: readonly Registered[],
  settings: Pick<Settings, 'drained'>,
): Map<string, Away> {
  const found = new Map<string, Away>()
  for (const { key, session, value, modifyIndex } of entries) {
    const instance = session === null ? decode(key.slice(prefix.length)) : null
    if (instance === null || fieldsIn(value).leaving === true) continue
    const health = registered.find(one => one.instance === instance)
    const member = memberIn(value)
    const isDrained = settings.drained.includes(instance) || health?.maintenance === true
    found.set(instance, {
      ...member,
      instance,
      index: modifyIndex,
      lost: health !== undefined && !health.passing,
      waitMs: isDrained ? 0 : (member.calm?.waitMs ?? 0),
    })
  }
  return found
}

/** The instance that a free lock waits for; null when it waits for nobody. */
export function awaited({ session, clean, held }: Lock, away: ReadonlyMap<string, Away>): Away | null {
  if (session !== null || clean || held === null) return null
  const last = away.get(held.instance)
  return last !== undefined && last.waitMs > 0 ? last : null
}
