/** Partitions that one member must not have: it gave them up because of a check. */

import type { RosterMember } from '../member.ts'
import { hash, score } from '../rendezvous.ts'
import type { Assignment, Rule } from '../rule.ts'

export const coolDown: Rule = {
  name: 'cool-down',
  place: ({ placed, unplaced }, { members, avoided }) => ({ placed: avoiding(placed, members, avoided), unplaced }),
}

/** As releases up to 0.1.0 compute it, for they compute nothing else. */
export const coolDownOfVersion1: Rule = {
  name: 'cool-down of version 1',
  place: ({ placed, unplaced }, { members, avoided }) => ({
    placed: avoiding(placed, members, avoided, true),
    unplaced,
  }),
}

/**
 * The assignment with each avoided partition elsewhere: at the least loaded of the others if that leaves the roster as
 * balanced as it was, otherwise in exchange for one of theirs, so that every load stays what it is. With nobody else to
 * have it, it stays. Pure, and independent of the order of its input; what nothing is avoided for comes back as it is.
 * @param avoided partition id -> the member that must not have it
 * @param movesTwice also a partition that was given away in exchange for another is moved, once more, which can leave loads
 * that differ by 2
 */
export function avoiding(
  placed: Assignment,
  members: readonly RosterMember[],
  avoided: ReadonlyMap<string, string>,
  movesTwice = false,
): Assignment {
  const misplaced = [...avoided].filter(([id, instance]) => placed.get(id) === instance).sort(ascending)
  if (misplaced.length === 0) return placed
  const assignment = new Map(placed)
  for (const [id, instance] of misplaced) {
    if (assignment.get(id) !== instance && !movesTwice) continue // it was given away in exchange for another meanwhile
    const others = members.filter(member => member.instance !== instance)
    const loads = Map.groupBy(assignment.keys(), partition => assignment.get(partition) as string)
    const load = (member: string) => loads.get(member)?.length ?? 0
    const own = members.find(member => member.instance === instance) as RosterMember
    const [best] = others
      .map(member => ({ member, share: load(member.instance) / member.weight, points: points(id, member.instance) }))
      .sort((a, b) => a.share - b.share || b.points - a.points || ascending([a.member.instance], [b.member.instance]))
    if (!best) continue
    const { instance: next, weight, maxPartitions } = best.member
    const hasRoom = load(next) < (maxPartitions ?? Infinity)
    // Afterwards the two must differ no more than whole partitions make them differ now.
    const isFair = (load(next) + 1) / weight <= load(instance) / own.weight
    const given = hasRoom && isFair ? null : exchange(loads.get(next) ?? [], instance, avoided)
    if (given === undefined && !hasRoom) continue
    assignment.set(id, next)
    if (given != null) assignment.set(given, instance)
  }
  return assignment
}

/** The partition that suits `instance` best of those that may go there; undefined when none may. */
function exchange(list: readonly string[], instance: string, avoided: ReadonlyMap<string, string>): string | undefined {
  const [best] = list
    .filter(id => avoided.get(id) !== instance)
    .sort((a, b) => points(b, instance) - points(a, instance) || ascending([a], [b]))
  return best
}

function points(id: string, instance: string): number {
  return score(hash(id), hash(instance))
}

function ascending([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
