/** The roster: which member should have which partition. Pure: every instance with the same snapshot gets the same result. */

import type { RosterMember } from './member.ts'
import { quotas, targets } from './quota.ts'
import { hash } from './rendezvous.ts'
import { ask, distinct, type Lists, present, surplus } from './sticky.ts'

const nobody = -1

/**
 * Partition id -> instance. A partition that no member has room for is absent (there is no member, or all have their
 * maxPartitions). The order of members and partitions changes nothing, nor does a partition that is given twice. Holders
 * that are not members are ignored, and so are held partitions that are not in the list.
 *
 * Balanced: every load is its member's quota, rounded up or down. Sticky: as few partitions move as balance allows, and
 * each member gives up its worst-scored ones. A partition without a holder, or given up by its holder, goes to the
 * best-scored member with room. When more partitions ask a member than it has room for, the worst-scored ones ask another
 * member. Without any holders the result is rendezvous hashing, limited by the quotas.
 */
export function roster(
  members: readonly RosterMember[],
  partitions: readonly string[],
  holders: ReadonlyMap<string, string>,
): Map<string, string> {
  // From here on members and partitions are numbers, in the order of names: the order of the input cannot matter.
  const crew = members.toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
  const instances = crew.map(member => member.instance)
  const hashes = instances.map(hash)
  const ids = distinct(partitions)

  const { held, pool } = present(ids, instances, holders)
  const asking = ask(pool, ids, hashes, [...hashes.keys()])
  const room = targets(quotas(crew, ids.length), held.map(size), asking.map(size))

  const owner = new Int32Array(ids.length).fill(nobody)
  // Each member takes partitions from its list while it has room; the rest is returned.
  const take = (lists: Lists) =>
    lists.flatMap((list, member) => {
      const gone = surplus(list, ids, hashes[member] as number, room[member] as number)
      for (let place = 0; place < list.length; place++) owner[list[place] as number] = member
      for (const at of gone) owner[at] = nobody
      room[member] = (room[member] as number) - (list.length - gone.length)
      return gone
    })

  let rest = take(held).concat(take(asking))
  while (rest.length > 0 && room.some(free => free > 0)) {
    const open = [...room.keys()].filter(member => (room[member] as number) > 0)
    rest = take(ask(rest.sort(ascending), ids, hashes, open))
  }
  return named(ids, instances, owner)
}

function named(ids: readonly string[], instances: readonly string[], owner: Int32Array): Map<string, string> {
  const assignment = new Map<string, string>()
  for (let at = 0; at < ids.length; at++) {
    const instance = instances[owner[at] as number]
    if (instance !== undefined) assignment.set(ids[at] as string, instance)
  }
  return assignment
}

function ascending(a: number, b: number): number {
  return a - b
}

function size(list: readonly number[]): number {
  return list.length
}
