/**
 * The versions of the roster. Instances agree on who has what only while all compute the same, and machines are upgraded
 * one by one: so each version that was ever released stays here, and everyone computes the lowest that anybody says.
 */

import { rosterVersion } from '../keys/member.ts'
import type { RosterMember } from './member.ts'
import { roster } from './roster.ts'
import { avoiding, avoidingAsVersion1 } from './rules/cool-down.ts'

export interface RosterInput {
  readonly members: readonly RosterMember[]
  readonly partitions: readonly string[]
  readonly holders: ReadonlyMap<string, string>
  /** Partition id -> the member that must not have it. */
  readonly avoided: ReadonlyMap<string, string>
}

/** Returns the assignment that the rules before it have made, changed or not. Pure; the first is given an empty one. */
export type Rule = (assignment: Map<string, string>, input: RosterInput) => Map<string, string>

const balanced: Rule = (_, { members, partitions, holders }) => roster(members, partitions, holders)

/**
 * The rules of each version, 1 first, in the order in which they are applied. What a rule computes never changes once it
 * was released: a change is a new rule, in a new version, which is put last here.
 */
export const versions: readonly (readonly Rule[])[] = [
  [balanced, (assignment, { members, avoided }) => avoidingAsVersion1(assignment, members, avoided)],
  [balanced, (assignment, { members, avoided }) => avoiding(assignment, members, avoided)],
]

/** The lowest that anybody says, and never one that this program does not know. @param said by everyone that counts */
export function agreedVersion(said: Iterable<number>, known = rosterVersion): number {
  return Math.min(known, ...said)
}
