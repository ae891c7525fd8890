/** `maxPartitions` and `maxCost`: a member that is full takes no more. */

import type { PlacedMember } from '../member.ts'
import type { Refusal } from './attribute.ts'

export const full: Refusal = { one: 'is full', many: 'are full' }
export const noRoomForCost: Refusal = { one: 'has no room for its cost', many: 'have no room for its cost' }

/** @param unit units of cost per 1 */
export function limitsOf(members: readonly PlacedMember[], unit: number): { most: number[]; mostCost: number[] } {
  return {
    most: members.map(({ maxPartitions }) => maxPartitions ?? Number.POSITIVE_INFINITY),
    // A limit such as 0.3 must not lose a unit to the rounding of 0.3 * 10.
    mostCost: members.map(({ maxCost = Number.POSITIVE_INFINITY }) => Math.floor(maxCost * unit + 1e-6)),
  }
}
