/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */

import type { Member } from '../keys/member.ts'
import { hasRules } from '../keys/placement.ts'
import type { Cluster } from '../look/cluster.ts'
import type { PlacedMember } from './member.ts'
import type { place } from './place.ts'
import type { Placement, RosterInput, Rule } from './rule.ts'
import { besideHeld } from './rules/held.ts'
import { agreedVersion, versions } from './versions.ts'

type Shown = Pick<
  Cluster,
  'members' | 'rosters' | 'partitions' | 'locks' | 'settings' | 'coolDowns' | 'placement' | 'traits'
>

/** Placement by the rules in force: see place.ts. */
export type ByRules = typeof place

/** Why nobody gets a partition while the rules cannot be read. */
export const rulesUnknown = 'spec/placement is garbled, and no member that could take it has seen good rules'

/** Loads what places by rules; null where there are none: then it costs nothing. */
export async function rulesFor(cluster: Pick<Cluster, 'placement'>): Promise<ByRules | null> {
  return hasRules(cluster.placement) ? (await import('./place.ts')).place : null
}

/** The assignment, with what it needs loaded. */
export async function assigned(cluster: Shown): Promise<Placement> {
  return assign(cluster, versions, await rulesFor(cluster))
}

/**
 * Pure: every instance that sees the same cluster computes the same assignment. The roster version is the lowest one that
 * any instance reports; where rules are in force, it is theirs, and who does not know it gets nothing.
 * @param byRules from `rulesFor` of the same cluster
 */
export function assign(
  cluster: Shown,
  known: readonly (readonly Rule[])[] = versions,
  byRules: ByRules | null = null,
): Placement {
  const rules = known[agreedVersion(cluster.rosters.values(), known.length) - 1] as readonly Rule[]
  const members = cluster.members.filter(member => member.absence === null)
  const avoided = new Map([...cluster.coolDowns].map(([id, { instance }]) => [id, instance]))
  const holders = holdersOf(cluster)
  const none: Placement = { placed: new Map(), unplaced: new Map() }
  return besideHeld([...cluster.partitions], new Set(cluster.settings.held), partitions => {
    const input = { members, partitions, holders, avoided }
    if (hasRules(cluster.placement)) return ruled(cluster, input, byRules)
    return rules.reduce((before, rule) => rule.place(before, input), none)
  })
}

function ruled({ placement, traits }: Shown, input: RosterInput, byRules: ByRules | null): Placement {
  if (byRules === null) throw new Error('placement by rules was not loaded')
  if (!hasRules(placement)) throw new Error('there are no rules')
  if (placement.unknown) return asItIs(input)
  const members = input.members as readonly (PlacedMember & Pick<Member, 'roster'>)[]
  const able = members.filter(({ roster }) => roster >= placement.needs)
  const { rules, pins } = placement
  return byRules({ ...input, members: able, rules, pins, traits }, members.length - able.length)
}

function asItIs({ members, partitions, holders }: RosterInput): Placement {
  const names = new Set(members.map(({ instance }) => instance))
  const stays = (id: string) => names.has(holders.get(id) ?? '')
  return {
    placed: new Map(partitions.filter(stays).map(id => [id, holders.get(id) as string])),
    unplaced: new Map(partitions.filter(id => !stays(id)).map(id => [id, rulesUnknown])),
  }
}

/**
 * Partition id -> the instance that holds it, or counts as its holder. A held lock belongs to the instance of its session,
 * whatever the value says. A free unclean lock still counts as its last holder's: an instance that lost only its session
 * gets its own locks back. A clean lock counts as the next holder's, whom the release named: the roster does not change in
 * the middle of a hand-over.
 */
export function holdersOf(cluster: Pick<Cluster, 'members' | 'locks'>): Map<string, string> {
  const bySession = new Map(cluster.members.map(member => [member.session, member.instance]))
  const holders = new Map<string, string>()
  for (const [id, lock] of cluster.locks) {
    const holder = lock.session === null ? (lock.held?.instance ?? lock.next) : bySession.get(lock.session)
    if (holder != null) holders.set(id, holder)
  }
  return holders
}
