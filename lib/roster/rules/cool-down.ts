/** Keeps a partition away from the member that gave it up because of a failed check, for the time of its cool-down. */

import type { RosterMember } from '../member.ts'
import { hash, score } from '../rendezvous.ts'
import type { Assignment, Rule } from '../rule.ts'

export const coolDown: Rule = {
  name: 'cool-down',
  place: ({ placed, unplaced }, { members, avoided }) => ({ placed: avoiding(placed, members, avoided), unplaced }),
}

/** The rule as releases up to 0.1.0 compute it. */
export const coolDownOfVersion1: Rule = {
  name: 'cool-down of version 1',
  place: ({ placed, unplaced }, { members, avoided }) => ({
    placed: avoiding(placed, members, avoided, true),
    unplaced,
  }),
}

/**
 * Moves each avoided partition to another member: to the least loaded one if the roster stays as balanced as before,
 * otherwise in exchange for one of that member's partitions, so that no load changes. Without another member that may
 * have it, the partition stays. Pure, and independent of the order of its input.
 * @param avoided partition id -> the member that must not have it
 * @param movesTwice as version 1 does: also moves a partition that was already moved away in an exchange, after which loads
 * can differ by 2
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
    if (assignment.get(id) !== instance && !movesTwice) continue // an exchange has already moved it away
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
    // After the move the next member's load by weight must not exceed this member's load by weight before it.
    const isFair = (load(next) + 1) / weight <= load(instance) / own.weight
    const given = hasRoom && isFair ? null : exchange(loads.get(next) ?? [], instance, avoided)
    if (given === undefined && !hasRoom) continue
    assignment.set(id, next)
    if (given != null) assignment.set(given, instance)
  }
  return assignment
}

/** The partition of the list with the best score for `instance` that it may have; undefined when there is none. */
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
