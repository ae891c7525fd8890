/**
 * The versions of the roster. All instances must compute the same roster, and machines are upgraded one by one. So every
 * released version stays here, and every instance computes the lowest version that any instance reports.
 */

import { rosterVersion } from '../keys/member.ts'
import type { Rule } from './rule.ts'
import { balance } from './rules/balance.ts'
import { coolDown, coolDownOfVersion1 } from './rules/cool-down.ts'

/**
 * The rules of each version, in the order in which they are applied; version 1 is the first entry. Version 3 has the rules of
 * version 2, and an instance that reports it knows rules of placement too (place.ts). Version 4 has them as well, and follows
 * plans that a scheduler made (follow.ts). A released version never changes: add a
 * new version at the end.
 */
export const versions: readonly (readonly Rule[])[] = [
  [balance, coolDownOfVersion1],
  [balance, coolDown],
  [balance, coolDown],
  [balance, coolDown],
]

/** The lowest version reported, at most the highest that this program knows. @param said the versions reported by instances */
export function agreedVersion(said: Iterable<number>, known = rosterVersion): number {
  return Math.min(known, ...said)
}
