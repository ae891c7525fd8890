/** A partition that people stopped by hand (`watchbill hold`) has no owner. */

import type { Placement } from '../rule.ts'

/** The reason why such a partition has no owner. */
export const heldByHand = 'stopped by hand'

/**
 * A held partition keeps its place in the roster, so that no other partition moves when it is stopped or started again.
 * Exception: all members have their maxPartitions and another partition needs the place.
 * @param place places the given partitions by all other rules
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
