/** `only`: a member of which it is not true may not have the partition. */

import type { Only } from '../../definition/rules.ts'
import type { PlacedMember } from '../member.ts'
import { type Refusal, refusalOf } from './attribute.ts'
import { type Select, select } from './select.ts'

export interface OnlyRule {
  readonly selects: Select
  /** For each member, in their order. */
  readonly refusals: readonly (Refusal | null)[]
}

export function onlyRules(rules: readonly Only[], members: readonly PlacedMember[]): OnlyRule[] {
  return rules.map(rule => ({
    selects: select(rule.for),
    refusals: members.map(member => refusalOf(member, rule)),
  }))
}
