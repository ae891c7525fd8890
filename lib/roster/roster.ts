/** The roster: which member is to have which partition. Pure: the same for everyone who looks at the same snapshot. */
import { quotas, targets } from './quota.ts'
import { hash } from './rendezvous.ts'
import { ask, distinct, fit, type Lists, present } from './sticky.ts'

/** The version of the rule. It goes up with every change that gives another roster for the same input. */
export const rosterVersion = 1

/** One member, as its key in Consul says. */
export interface RosterMember {
  /** Its name; no two members share one. */
  readonly instance: string
  /** Its share against the others': finite and above 0, which the definition's schema guarantees. */
  readonly weight: number
  /** The most it takes: a whole number, 0 or more; null when there is no such limit. */
  readonly maxPartitions: number | null
}

/**
 * Partition id -> instance, for every partition that has one; one that fits nowhere (no members, or all at their
 * maxPartitions) is absent. The order of the members and of the partitions, and a partition given twice, change
 * nothing. Holders that are no members, and held partitions that are not in the list, do not count.
 *
 * Balanced: every load is its member's quota, rounded up or down. Sticky: as few partitions as that allows leave a
 * member that holds them, the worst-scored ones; with none over its quota, none. All others go to the best-scored
 * member with room; where too many want the same, the worst-scored look on.
 */
export function roster(
  members: readonly RosterMember[],
  partitions: readonly string[],
  holders: ReadonlyMap<string, string>,
): Map<string, string> {
  // From here on everything is in the order of names, so that no result can depend on the order of the input.
  const crew = members.toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
  const instances = crew.map(member => member.instance)
  const hashes = instances.map(hash)
  const ids = distinct(partitions)

  const { held, pool } = present(ids, instances, holders)
  const asking = ask(pool, hashes, [...hashes.keys()])
  const room = targets(quotas(crew, ids.length), held.map(size), asking.map(size))

  const assignment = new Map<string, string>()
  const take = (lists: Lists) =>
    lists.flatMap((list, at) => {
      const { stay, go } = fit(list, hashes[at] as number, room[at] as number)
      for (const partition of stay) assignment.set(partition, instances[at] as string)
      room[at] = (room[at] as number) - stay.length
      return go
    })

  let rest = take(held).concat(take(asking))
  while (rest.length > 0 && room.some(free => free > 0)) {
    const open = [...room.keys()].filter(at => (room[at] as number) > 0)
    rest = take(ask(rest.sort(), hashes, open))
  }
  return assignment
}

function size(list: readonly string[]): number {
  return list.length
}
