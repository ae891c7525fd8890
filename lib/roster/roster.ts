/** The roster: which member is to have which partition. Pure: the same for everyone who looks at the same snapshot. */

import type { RosterMember } from './member.ts'
import { quotas, targets } from './quota.ts'
import { hash } from './rendezvous.ts'
import { ask, distinct, type Lists, present, surplus } from './sticky.ts'

const nobody = -1

/**
 * Partition id -> instance, for every partition that has one; one that fits nowhere (no members, or all at their
 * maxPartitions) is absent. The order of the members and of the partitions, and a partition given twice, change
 * nothing. Holders that are no members, and held partitions that are not in the list, do not count.
 *
 * Balanced: every load is its member's quota, rounded up or down. Sticky: as few partitions as that allows leave a
 * member that holds them, and those are its worst-scored. What nobody holds, or somebody gave up, goes to the
 * best-scored member with room; when more ask one member than it has room for, the worst-scored ask elsewhere. With no
 * holders at all that is rendezvous hashing, cut to the quotas.
 */
export function roster(
  members: readonly RosterMember[],
  partitions: readonly string[],
  holders: ReadonlyMap<string, string>,
): Map<string, string> {
  // From here on everything is numbered in the order of names: no result can depend on the order of the input.
  const crew = members.toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
  const instances = crew.map(member => member.instance)
  const hashes = instances.map(hash)
  const ids = distinct(partitions)

  const { held, pool } = present(ids, instances, holders)
  const asking = ask(pool, ids, hashes, [...hashes.keys()])
  const room = targets(quotas(crew, ids.length), held.map(size), asking.map(size))

  const owner = new Int32Array(ids.length).fill(nobody)
  // Each member takes of its list what it has room for; the rest is returned.
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
