/** `prefer`: a member of which it is true is better, by the weight of the rule; last of all that is wanted. */

import type { Prefer } from '../../definition/rules.ts'
import type { PlacedMember } from '../member.ts'
import { refusalOf } from './attribute.ts'
import { type Select, select } from './select.ts'

export interface PreferRule {
  readonly selects: Select
  /** For each member, in their order. */
  readonly points: readonly number[]
}

export function preferRules(rules: readonly Prefer[], members: readonly PlacedMember[]): PreferRule[] {
  return rules.map(rule => ({
    selects: select(rule.for),
    points: members.map(member => (refusalOf(member, rule) === null ? rule.weight : 0)),
  }))
}
