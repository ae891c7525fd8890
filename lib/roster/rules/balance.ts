/** Places partitions by weight and maxPartitions, with as few moves as possible. */

import { roster } from '../roster.ts'
import type { Rule } from '../rule.ts'

/** Reasons why a partition has no owner. */
export const noMember = 'no member takes part'
export const noRoom = 'every member has its maxPartitions'

export const balance: Rule = {
  name: 'balance',
  place: (_, { members, partitions, holders }) => {
    const placed = roster(members, partitions, holders)
    if (placed.size === partitions.length) return { placed, unplaced: new Map() }
    const why = members.length === 0 ? noMember : noRoom
    return { placed, unplaced: new Map(partitions.filter(id => !placed.has(id)).map(id => [id, why])) }
  },
}
