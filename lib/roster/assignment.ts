/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */
import type { Cluster } from '../snapshot.ts'
import { roster } from './roster.ts'

/** Partition id -> instance. Partitions that fit nowhere are absent. */
export type Assignment = ReadonlyMap<string, string>

/** Pure: every instance that sees the same cluster computes the same assignment. */
export function assign(cluster: Pick<Cluster, 'members' | 'partitions' | 'locks'>): Assignment {
  const members = cluster.members.filter(member => member.absence === null)
  return roster(members, [...cluster.partitions], holdersOf(cluster))
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
