/** What a rule of the roster is given, and what it returns. */

import type { RosterMember } from './member.ts'

/** Partition id -> instance. */
export type Assignment = ReadonlyMap<string, string>

/** Each partition is in one of the two. */
export interface Placement {
  readonly placed: Assignment
  /** Why nobody is to have it: partition id -> a constant of the rule that left it so. */
  readonly unplaced: ReadonlyMap<string, string>
}

export interface RosterInput {
  readonly members: readonly RosterMember[]
  /** Each once. */
  readonly partitions: readonly string[]
  readonly holders: ReadonlyMap<string, string>
  /** Partition id -> the member that must not have it. */
  readonly avoided: ReadonlyMap<string, string>
}

/** What it computes never changes once it was released: a change is a new rule, in a new version (versions.ts). */
export interface Rule {
  readonly name: string
  /** Pure: returns what the rules before it have placed, or another placement. The first is given an empty one. */
  readonly place: (before: Placement, input: RosterInput) => Placement
}
