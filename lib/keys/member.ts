/** The members of the cluster: the values of `member/<instance>`, and what Consul's health says about them. */

import { bootId } from '../base/clock.ts'
import { fieldsIn, textIn } from '../base/json.ts'
import { decode } from '../base/names.ts'
import type { Registered } from '../consul/health.ts'
import type { Entry } from '../consul/kv.ts'
import { type Definition, isTitle, type Versions } from '../definition/definition.ts'
import { type Calm, calmFields, calmIn } from './calm.ts'
import { type Offers, offersFields, offersIn } from './offers.ts'
import type { Settings } from './settings.ts'
import { type Own, type Ready, readyIn } from './versions.ts'

/** Why a member is assigned no partitions; null when it takes its share. */
export type Absence =
  | 'leaving'
  | 'drained'
  | 'in maintenance'
  | 'not passing'
  | 'not registered'
  | 'not prepared'
  | null

/** An instance whose member key is held by a session. */
export interface Member {
  readonly instance: string
  readonly session: string
  readonly node: string
  /** The title of the service in its definition; missing when there is none. */
  readonly title?: string
  readonly weight: number
  readonly maxPartitions: number | null
  /** The most that its partitions may cost; left out when there is no such limit. */
  readonly maxCost?: number
  /** The digest of the rules of placement that its definition proposes; left out when it proposes none. */
  readonly placement?: string
  /** What it offers for placement; left out when that is nothing. */
  readonly offers?: Offers
  /** L and G of its current definition, ms. */
  readonly lease: number
  readonly grace: number
  /** The digest of its current definition. */
  readonly digest: string
  /** The digest of the fields that all machines must share; empty when an older release wrote the key. */
  readonly shared: string
  /** The roster version in its member key: see `rostersFrom`. */
  readonly roster: number
  /** How calm the service is to be, as its definition says; left out when it says nothing. */
  readonly calm?: Calm
  /** Its definition has a scheduler; left out when it has none. */
  readonly assigns?: true
  /** It knows of numbers of partitions in force (`spec/number`) and of freezes; older releases do not. */
  readonly counts: boolean
  /** It knows of roll-outs; left out for older releases. */
  readonly rolls?: true
  /** One process has all partitions of the instance; left out where each has its own. */
  readonly per?: 'instance'
  /** Its definition has versions, and these are ready; left out when it has none. */
  readonly versions?: Ready
  /** It already had partitions when it took its member key. */
  readonly holds: boolean
  readonly absence: Absence
}

/** What an instance adds to its member key. */
interface Condition {
  /** It is leaving: others must not count on it while it hands over. */
  readonly leaving?: boolean
  /** It already runs partitions, so it does not count as new. */
  readonly holds?: boolean
  /** The digest of the fields that all machines must share: see lib/state/definition.ts. */
  readonly shared?: string | undefined
  readonly offers?: Offers | undefined
  /** What it has prepared, and could not; left out where nothing has to be prepared. */
  readonly own?: Own | null | undefined
}

/** The value of an instance's own member key. */
export function memberValue(
  node: string,
  definition: Definition,
  digest: string,
  { leaving = false, holds = false, shared, offers, own = null }: Condition = {},
): string {
  return JSON.stringify({
    ...(leaving ? { leaving } : {}),
    ...(holds ? { holds } : {}),
    node,
    boot: bootId(),
    title: definition.title,
    weight: definition.weight,
    maxPartitions: definition.maxPartitions,
    ...calmFields(definition),
    maxCost: definition.maxCost,
    placement: definition.placement?.digest,
    ...(definition.assign && { assigns: true }),
    ...(offers && offersFields(offers)),
    lease: definition.leaseMs,
    grace: definition.stop.graceMs,
    definition: withVersion(digest),
    shared,
    counts: true,
    rolls: true,
    ...(definition.run.per === 'instance' && { per: 'instance' }),
    ...(definition.versions && { versions: readyOf(definition.versions, own) }),
    roster: rosterVersion,
  })
}

function readyOf({ pattern, first, prepare }: Versions, own: Own | null): Ready {
  const says = { pattern, ...(first !== undefined && { first }) }
  if (prepare === undefined) return { ...says, prepared: null }
  return { ...says, prepared: own?.prepared ?? [], ...(own?.failed && { failed: own.failed }) }
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
 * The roster version that each counted instance says: instance -> version. An instance without a session counts as long
 * as it is registered: a restart, or a machine that comes back, must not change the version twice. It stops counting
 * when Consul forgets the machine (after 72 h), or by `evict`.
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

/**
 * Whether the definition of any counted instance has a scheduler. As above, one without a session counts as long as it is
 * registered: it may come back.
 */
export function isAnyAssigning(entries: readonly Entry[], prefix: string, registered: readonly Registered[]): boolean {
  const expected = new Set(registered.map(({ instance }) => instance))
  return entries.some(({ key, value, session }) => {
    const counts = session !== null || expected.has(decode(key.slice(prefix.length)) ?? '')
    return counts && memberIn(value).assigns === true
  })
}

/** Why instances are leaving that nobody asked to leave, in their own words; also after their session is gone. */
export function hindrancesFrom(entries: readonly Entry[], prefix: string): Map<string, string> {
  return new Map(
    entries.flatMap(({ key, value }) => {
      const instance = decode(key.slice(prefix.length))
      const { leaving, why } = fieldsIn(value)
      return instance !== null && leaving === true && typeof why === 'string' ? [[instance, why] as const] : []
    }),
  )
}

/** Instances that disappeared without leaving: a member key without a session, and the instance is not passing. */
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
 * The digest that a member key holds. Releases up to 0.1.0 rewrite their key only when it holds another digest than
 * their own. So after a roll-back such a release finds a different digest, and writes its key with its own roster
 * version.
 */
function withVersion(digest: string): string {
  return `${rosterVersion} ${digest}`
}

const versionBefore = /^\d+ /

/** The schema's limit. Weights with an infinite sum would leave everyone without partitions. */
const highestWeight = 1_000_000

/** A garbled value counts as an ordinary member, so that all instances still compute the same roster. */
export function memberIn(text: string | null): Omit<Member, 'instance' | 'session' | 'absence'> {
  const value = fieldsIn(text)
  const number = (field: string, otherwise: number, most = Number.MAX_VALUE) => {
    const found = value[field]
    return typeof found === 'number' && found > 0 && found <= most ? found : otherwise
  }
  const { maxPartitions } = value
  const calm = calmIn(value)
  const offers = offersIn(value)
  const maxCost = number('maxCost', 0)
  const versions = readyIn(value.versions)
  return {
    node: textIn(value.node),
    ...(isTitle(value.title) ? { title: value.title } : {}),
    weight: number('weight', 1, highestWeight),
    maxPartitions: Number.isSafeInteger(maxPartitions) ? number('maxPartitions', 1) : null,
    ...(maxCost > 0 && { maxCost }),
    ...(offers && { offers }),
    ...(typeof value.placement === 'string' && { placement: value.placement.slice(0, 64) }),
    lease: number('lease', 10_000),
    grace: number('grace', 3000),
    digest: textIn(value.definition).replace(versionBefore, ''),
    shared: textIn(value.shared),
    roster: Number.isSafeInteger(value.roster) ? number('roster', 1) : 1,
    holds: value.holds === true,
    ...(calm && { calm }),
    ...(value.assigns === true && { assigns: true as const }),
    counts: value.counts === true,
    ...(value.rolls === true && { rolls: true }),
    ...(value.per === 'instance' && { per: 'instance' }),
    ...(versions && { versions }),
  }
}

/** The boot in which its instance took part; null when the value does not say. */
export function bootIn(text: string | null): string | null {
  return textIn(fieldsIn(text).boot).slice(0, 64) || null
}

/** The version that this program writes into its member key: the highest that it can compute. */
export const rosterVersion = 4

/** The first version that follows the plans of a scheduler. */
export const followsPlans = 4
