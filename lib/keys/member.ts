/** Who takes part: what stands in `member/<instance>`, and what Consul's health says of it. */

import { fieldsIn, textIn } from '../base/json.ts'
import { decode } from '../base/names.ts'
import type { Registered } from '../consul/health.ts'
import type { Entry } from '../consul/kv.ts'
import { type Definition, isTitle } from '../definition/definition.ts'
import type { Settings } from './settings.ts'

/** Why an instance that takes part is assigned nothing; null when it is a member in full. */
export type Absence = 'leaving' | 'drained' | 'in maintenance' | 'not passing' | 'not registered' | null

/** An instance whose member key is held by a session. */
export interface Member {
  readonly instance: string
  readonly session: string
  readonly node: string
  /** What its definition calls the service; missing when it does not. */
  readonly title?: string
  readonly weight: number
  readonly maxPartitions: number | null
  /** L and G in ms of its present definition. */
  readonly lease: number
  readonly grace: number
  /** Of its present definition. */
  readonly digest: string
  /** The same of what all machines are to have in common; empty when an older release wrote it. */
  readonly shared: string
  /** The version of the roster that it says: see `rostersFrom`. */
  readonly roster: number
  /** It had partitions when it took its member key. */
  readonly holds: boolean
  readonly absence: Absence
}

/** What else an instance says of itself. */
interface Condition {
  /** It is on its way out: others must not count on it while it hands over. */
  readonly leaving?: boolean
  /** It comes with something that runs, so it is no newcomer. */
  readonly holds?: boolean
  /** The digest of what its definition has in common with the others: see lib/state/definition.ts. */
  readonly shared?: string | undefined
}

/** The value of an instance's own member key. */
export function memberValue(
  node: string,
  definition: Definition,
  digest: string,
  { leaving = false, holds = false, shared }: Condition = {},
): string {
  return JSON.stringify({
    ...(leaving ? { leaving } : {}),
    ...(holds ? { holds } : {}),
    node,
    title: definition.title,
    weight: definition.weight,
    maxPartitions: definition.maxPartitions,
    lease: definition.leaseMs,
    grace: definition.stop.graceMs,
    definition: withVersion(digest),
    shared,
    roster: rosterVersion,
  })
}

/** @param prefix where the member keys start */
export function membersFrom(
  entries: readonly Entry[],
  prefix: string,
  registered: readonly Registered[],
  settings: Settings,
): Member[] {
  const known = byInstance(registered)
  return entries.flatMap(entry => {
    const instance = decode(entry.key.slice(prefix.length))
    if (instance === null || entry.session === null) return []
    const health = known.get(instance)
    const absence = fieldsIn(entry.value).leaving === true ? 'leaving' : absenceOf(instance, health, settings)
    return [{ ...memberIn(entry.value), instance, session: entry.session, absence }]
  })
}

/**
 * Which version of the roster everyone says that counts: instance -> version. Whose session is gone counts as long as it
 * is registered: a restart, or a machine that comes back, must not change the version twice. It ends when Consul
 * forgets the machine (after 72 h), or by `evict`.
 */
export function rostersFrom(
  entries: readonly Entry[],
  prefix: string,
  registered: readonly Registered[],
): Map<string, number> {
  const expected = new Set(registered.map(({ instance }) => instance))
  return new Map(
    entries.flatMap(({ key, value, session }) => {
      const instance = decode(key.slice(prefix.length))
      const counts = instance !== null && (session !== null || expected.has(instance))
      return counts ? [[instance, memberIn(value).roster] as const] : []
    }),
  )
}

/** Why instances say that they are leaving, where nobody asked them to: in their own words, also once the session is gone. */
export function hindrancesFrom(entries: readonly Entry[], prefix: string): Map<string, string> {
  return new Map(
    entries.flatMap(({ key, value }) => {
      const instance = decode(key.slice(prefix.length))
      const { leaving, why } = fieldsIn(value)
      return instance !== null && leaving === true && typeof why === 'string' ? [[instance, why] as const] : []
    }),
  )
}

/** Who went away without a word: a member key without a session, of an instance that is not passing. */
export function lostFrom(
  entries: readonly Entry[],
  prefix: string,
  registered: readonly Registered[],
): Map<string, number> {
  const passing = new Set(registered.flatMap(one => (one.passing ? one.instance : [])))
  return new Map(
    entries.flatMap(({ key, session, modifyIndex }) => {
      const instance = decode(key.slice(prefix.length))
      const isLost = instance !== null && session === null && !passing.has(instance)
      return isLost ? [[instance, modifyIndex] as const] : []
    }),
  )
}

/** The first of each name. */
function byInstance(registered: readonly Registered[]): Map<string, Registered> {
  return new Map(registered.toReversed().map(one => [one.instance, one]))
}

function absenceOf(instance: string, health: Registered | undefined, settings: Settings): Absence {
  if (settings.drained.includes(instance)) return 'drained'
  if (health === undefined) return 'not registered'
  if (health.maintenance) return 'in maintenance'
  return health.passing ? null : 'not passing'
}

/**
 * The digest that a member key holds. Releases up to 0.1.0 write their key anew only when the digest in it is not their
 * own: so one that is rolled back to finds another, writes its own key, and says the version that it computes.
 */
function withVersion(digest: string): string {
  return `${rosterVersion} ${digest}`
}

const versionBefore = /^\d+ /

/** As the definition's schema has it. Weights whose sum is no number would leave everybody without a partition. */
const highestWeight = 1_000_000

/** A garbled value counts like that of an ordinary member, so that all instances still compute the same roster. */
export function memberIn(text: string | null): Omit<Member, 'instance' | 'session' | 'absence'> {
  const value = fieldsIn(text)
  const number = (field: string, otherwise: number, most = Number.MAX_VALUE) => {
    const found = value[field]
    return typeof found === 'number' && found > 0 && found <= most ? found : otherwise
  }
  const { maxPartitions } = value
  return {
    node: textIn(value.node),
    ...(isTitle(value.title) ? { title: value.title } : {}),
    weight: number('weight', 1, highestWeight),
    maxPartitions: Number.isSafeInteger(maxPartitions) ? number('maxPartitions', 1) : null,
    lease: number('lease', 10_000),
    grace: number('grace', 3000),
    digest: textIn(value.definition).replace(versionBefore, ''),
    shared: textIn(value.shared),
    roster: Number.isSafeInteger(value.roster) ? number('roster', 1) : 1,
    holds: value.holds === true,
  }
}

/** The version that this program says in its member key: the highest it can compute. */
export const rosterVersion = 2
