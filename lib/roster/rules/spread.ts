/**
 * `spread`: the partitions are shared out over the values of an attribute. Wanted is the least sum of n² / share over the
 * values: with equal shares the numbers differ by at most 1 where the members have room. Members that lack the attribute are
 * one value of their own.
 */

import type { Spread } from '../../definition/rules.ts'
import type { PlacedMember } from '../member.ts'
import { factors } from '../placing/factors.ts'
import { valuesOf } from './attribute.ts'
import { type Select, select } from './select.ts'

export interface SpreadRule {
  readonly selects: Select
  /** For each member, the number of its value. */
  readonly values: readonly number[]
  /** For each value, the whole number that stands for 1 / share. */
  readonly factors: readonly number[]
}

/** A value without a share gets partitions only where the others have no room: as if its share were so small. */
const noShare = 1 / 1024

export function spreadRules(rules: readonly Spread[], members: readonly PlacedMember[]): SpreadRule[] {
  return rules.map(({ for: selector, over, shares }) => {
    const names = members.map(member => valuesOf(member, over)[0])
    const distinct = [...new Set(names)].sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1))
    const number = new Map(distinct.map((name, at) => [name, at]))
    return {
      selects: select(selector),
      values: names.map(name => number.get(name) as number),
      factors: factorsOf(distinct, shares),
    }
  })
}

function factorsOf(names: readonly (string | undefined)[], shares: Spread['shares']): readonly number[] {
  if (shares === undefined) return names.map(() => 1)
  const least = Math.min(...Object.values(shares))
  const of = (name: string | undefined) => (Object.hasOwn(shares, name ?? '') ? (shares[name ?? ''] as number) : null)
  return factors(names.map(name => of(name) ?? least * noShare))
}
