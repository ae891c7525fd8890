/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */

import type { Cluster } from '../look/cluster.ts'
import type { Placement, Rule } from './rule.ts'
import { besideHeld } from './rules/held.ts'
import { agreedVersion, versions } from './versions.ts'

/**
 * Pure: every instance that sees the same cluster computes the same assignment, by the lowest version of the roster that
 * anybody says.
 */
export function assign(
  cluster: Pick<Cluster, 'members' | 'rosters' | 'partitions' | 'locks' | 'settings' | 'coolDowns'>,
  known: readonly (readonly Rule[])[] = versions,
): Placement {
  const rules = known[agreedVersion(cluster.rosters.values(), known.length) - 1] as readonly Rule[]
  const members = cluster.members.filter(member => member.absence === null)
  const avoided = new Map([...cluster.coolDowns].map(([id, { instance }]) => [id, instance]))
  const holders = holdersOf(cluster)
  const none: Placement = { placed: new Map(), unplaced: new Map() }
  return besideHeld([...cluster.partitions], new Set(cluster.settings.held), partitions =>
    rules.reduce((before, rule) => rule.place(before, { members, partitions, holders, avoided }), none),
  )
}

/**
 * Who has which partition. A held lock is its session's, whatever its value says; a free one still counts as its last
 * holder's, so that an instance that lost only its session gets its own back; a clean one as his whom it was given back
 * for, so that the roster stands still in the middle of a hand-over.
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
