/** `cost`: what a partition weighs. Members are balanced by the cost of what they have. */

import { type Cost, isCost } from '../../definition/rules.ts'
import { select, type Trait, traitAt } from './select.ts'

/** The cost of a partition. Without a rule that has a number for it, 1. */
export function costOf(rules: readonly Cost[]): (id: string, trait: Trait | undefined) => number {
  const tests = rules.map(rule => ({ rule, selects: select(rule.for) }))
  return (id, trait) => {
    for (const { rule, selects } of tests) {
      if (!selects(id, trait)) continue
      const cost = 'is' in rule ? rule.is : traitAt(trait, rule.field)
      if (isCost(cost)) return cost
    }
    return 1
  }
}
