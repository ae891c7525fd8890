/** Members that are away and waited for: they keep their share of the roster, and get nothing beside what waits for them. */

import { type Away, awaited } from '../../keys/away.ts'
import type { Cluster } from '../../look/cluster.ts'
import type { RosterMember } from '../member.ts'
import type { Placement } from '../rule.ts'

/** Why nobody takes a partition that the roster gives to a member that is away. */
export const placeKept = 'its place is kept for a member that is away'

type Shown = Pick<Cluster, 'away' | 'locks' | 'partitions'>

/** Instance -> the partitions that wait for it. */
export type Waiting = ReadonlyMap<string, ReadonlySet<string>>

/** Most services wait for nobody. */
const nobody: Waiting = new Map()

export function waitingFor({ away, locks, partitions }: Shown): Waiting {
  if ([...away.values()].every(({ waitMs }) => waitMs === 0)) return nobody
  const found = new Map<string, Set<string>>()
  for (const id of partitions) {
    const lock = locks.get(id)
    const last = lock === undefined ? null : awaited(lock, away)
    if (last === null) continue
    const own = found.get(last.instance) ?? new Set()
    found.set(last.instance, own.add(id))
  }
  return found
}

/** They take part in the roster with room for no more than what waits for them. */
export function asMembers(waiting: Waiting, away: ReadonlyMap<string, Away>): RosterMember[] {
  return [...waiting].map(([instance, ids]) => {
    const member = away.get(instance) as Away
    return { ...member, maxPartitions: Math.min(ids.size, member.maxPartitions ?? ids.size) }
  })
}

/** Without the clean locks that were given back for one of them: those wait for nobody. */
export function holdersWithout(holders: ReadonlyMap<string, string>, waiting: Waiting): ReadonlyMap<string, string> {
  if (waiting.size === 0) return holders
  return new Map([...holders].filter(([id, holder]) => waiting.get(holder)?.has(id) ?? true))
}

/** Whatever the rules gave to one of them beside its own stays with its holder, or waits until the place is free again. */
export function onlyTheirOwn(
  { placed, unplaced }: Placement,
  waiting: Waiting,
  holderOf: (id: string) => string | undefined,
): Placement {
  if (waiting.size === 0) return { placed, unplaced }
  const now = new Map(placed)
  const without = new Map(unplaced)
  for (const [id, instance] of placed) {
    const own = waiting.get(instance)
    if (own === undefined || own.has(id)) continue
    const holder = holderOf(id)
    if (holder === undefined) {
      now.delete(id)
      without.set(id, placeKept)
    } else now.set(id, holder)
  }
  return { placed: now, unplaced: without }
}
