/** Which versions an instance has made ready, as its member key says. */
import { fieldsIn } from '../base/json.ts'
import { isVersion } from '../base/version.ts'
import type { Lock } from './lock.ts'
import type { Settings } from './settings.ts'

/** The field `versions` of a member key: its definition has `versions`. */
export interface Ready {
  readonly pattern: string
  /** In force until one is rolled out; left out for none. */
  readonly first?: string
  /** The versions that it has prepared, the newest last; null when nothing has to be prepared. */
  readonly prepared: readonly string[] | null
  /** The version that it cannot prepare, why, and for which round of which roll it has tried; left out for none. */
  readonly failed?: { readonly version: string; readonly why: string; readonly of: string }
}

/** So many prepared versions stand in a member key. */
export const mostPrepared = 20

/** Undefined when the member key says nothing of versions, or is garbled. */
export function readyIn(value: unknown): Ready | undefined {
  const { pattern, first, prepared, failed } = fieldsOf(value)
  if (typeof pattern !== 'string') return undefined
  const { version, why, of } = fieldsOf(failed)
  return {
    pattern: pattern.slice(0, 500),
    ...(isVersion(first) && { first }),
    prepared: Array.isArray(prepared) ? prepared.filter(isVersion).slice(-mostPrepared) : null,
    ...(isVersion(version) &&
      typeof why === 'string' &&
      typeof of === 'string' && {
        failed: { version, why: why.replace(/\p{Cc}/gu, ' ').slice(0, 300), of: of.slice(0, 100) },
      }),
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** What an instance must have prepared: what may be started on it at any time. */
export function neededVersions({ version, only = [], roll }: Settings, first?: string): string[] {
  const inForce = version ?? first
  const all = [inForce, ...only.map(one => one.version), roll?.ready ? roll.to : null]
  return [...new Set(all.filter(one => one !== null && one !== undefined))]
}

/**
 * An instance that has not prepared what it may have to start takes nothing. One that holds something keeps its share: what
 * it cannot start there is told as a problem, and is no reason to stop what runs.
 */
export function withUnprepared<One extends Whom>(
  members: One[],
  locks: ReadonlyMap<string, Pick<Lock, 'session'>>,
  settings: Settings,
): One[] {
  const lacking = members.filter(one => one.absence === null && lacks(one, settings))
  if (lacking.length === 0) return members
  const holders = new Set([...locks.values()].flatMap(({ session }) => session ?? []))
  const out = new Set(lacking.filter(({ session }) => !holders.has(session)))
  return members.map(one => (out.has(one) ? { ...one, absence: 'not prepared' } : one))
}

/** What it needs of a member. */
interface Whom {
  readonly session: string
  readonly absence: string | null
  readonly versions?: Ready
}

function lacks({ versions }: Whom, settings: Settings): boolean {
  const prepared = versions?.prepared ?? null
  return prepared !== null && neededVersions(settings, versions?.first).some(version => !prepared.includes(version))
}

/** The facts that an instance keeps of its own versions, as JSON in the file `versions`. */
export interface Own {
  readonly prepared: readonly string[]
  readonly failed?: Ready['failed']
}

export function ownFrom(text: string | null): Own {
  const { prepared, failed } = readyIn({ pattern: '', ...fieldsIn(text) }) ?? { prepared: null }
  return { prepared: prepared ?? [], ...(failed && { failed }) }
}
