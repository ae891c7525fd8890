/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */

import type { Cluster } from '../look/cluster.ts'
import type { Placement, Rule } from './rule.ts'
import { besideHeld } from './rules/held.ts'
import { agreedVersion, versions } from './versions.ts'

/**
 * Pure: every instance that sees the same cluster computes the same assignment. The roster version is the lowest one that
 * any instance reports.
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
