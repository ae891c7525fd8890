/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */
import type { Cluster } from '../look/cluster.ts'
import { agreedVersion, type Rule, versions } from './versions.ts'

/** Partition id -> instance. Partitions that fit nowhere, and those that are held, are absent. */
export type Assignment = ReadonlyMap<string, string>

/**
 * Pure: every instance that sees the same cluster computes the same assignment, by the lowest version of the roster that
 * anybody says. A held partition keeps its place, so that
 * nothing else moves when it goes and comes back; unless, with all members at their maxPartitions, another needs it.
 */
export function assign(
  cluster: Pick<Cluster, 'members' | 'rosters' | 'partitions' | 'locks' | 'settings' | 'coolDowns'>,
  known: readonly (readonly Rule[])[] = versions,
): Assignment {
  const rules = known[agreedVersion(cluster.rosters.values(), known.length) - 1] as readonly Rule[]
  const members = cluster.members.filter(member => member.absence === null)
  const avoided = new Map([...cluster.coolDowns].map(([id, { instance }]) => [id, instance]))
  const held = new Set(cluster.settings.held)
  const wanted = [...cluster.partitions].filter(id => !held.has(id))
  const holders = holdersOf(cluster)
  const rosterOf = (partitions: readonly string[]) => {
    const input = { members, partitions, holders, avoided }
    return rules.reduce((assignment, rule) => rule(assignment, input), new Map<string, string>())
  }
  const whole = rosterOf([...cluster.partitions])
  if (wanted.some(id => !whole.has(id)) && wanted.length < cluster.partitions.size) return rosterOf(wanted)
  for (const id of held) whole.delete(id)
  return whole
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
