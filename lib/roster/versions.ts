/**
 * The versions of the roster. Instances agree on who has what only while all compute the same, and machines are upgraded
 * one by one: so each version that was ever released stays here, and everyone computes the lowest that anybody says.
 */

import { rosterVersion } from '../keys/member.ts'
import type { Rule } from './rule.ts'
import { balance } from './rules/balance.ts'
import { coolDown, coolDownOfVersion1 } from './rules/cool-down.ts'

/**
 * The rules of each version, 1 first, in the order in which they are applied. What a version computes never changes once it
 * was released: a new version is put last here.
 */
export const versions: readonly (readonly Rule[])[] = [
  [balance, coolDownOfVersion1],
  [balance, coolDown],
]

/** The lowest that anybody says, and never one that this program does not know. @param said by everyone that counts */
export function agreedVersion(said: Iterable<number>, known = rosterVersion): number {
  return Math.min(known, ...said)
}
