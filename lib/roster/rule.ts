/** The input and the result of a rule of the roster. */

import type { RosterMember } from './member.ts'

/** Partition id -> instance. */
export type Assignment = ReadonlyMap<string, string>

/** Each partition is in exactly one of the two maps. */
export interface Placement {
  readonly placed: Assignment
  /** Why no member gets it: partition id -> a constant of the rule that decided it. */
  readonly unplaced: ReadonlyMap<string, string>
}

export interface RosterInput {
  readonly members: readonly RosterMember[]
  /** Without duplicates. */
  readonly partitions: readonly string[]
  readonly holders: ReadonlyMap<string, string>
  /** Partition id -> the member that must not have it. */
  readonly avoided: ReadonlyMap<string, string>
}

/** A released rule never changes its results: another behaviour is a new rule, in a new roster version (versions.ts). */
export interface Rule {
  readonly name: string
  /** Pure: returns `before`, the result of the rules before it, or another placement. The first rule gets an empty one. */
  readonly place: (before: Placement, input: RosterInput) => Placement
}
