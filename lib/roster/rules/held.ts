/** What people have stopped by hand (`watchbill hold`) is nobody's. */

import type { Placement } from '../rule.ts'

/** Why a partition is nobody's. */
export const heldByHand = 'stopped by hand'

/**
 * A held partition keeps its place, so that nothing else moves when it goes and comes back; unless another needs it, with
 * all members at their maxPartitions.
 * @param place the placement of so many of the partitions, by all other rules
 */
export function besideHeld(
  partitions: readonly string[],
  held: ReadonlySet<string>,
  place: (partitions: readonly string[]) => Placement,
): Placement {
  const whole = place(partitions)
  const wanted = partitions.filter(id => !held.has(id))
  if (wanted.length === partitions.length) return whole
  const { placed, unplaced } = wanted.some(id => !whole.placed.has(id)) ? place(wanted) : whole
  const idle = partitions.filter(id => held.has(id))
  return {
    placed: new Map([...placed].filter(([id]) => !held.has(id))),
    unplaced: new Map([...unplaced, ...idle.map(id => [id, heldByHand] as const)]),
  }
}
