/** `apart`: of a group, no two on members with the same value. A member that lacks the attribute shares it with no other. */

import type { Apart } from '../../definition/rules.ts'
import type { PlacedMember } from '../member.ts'
import { type Refusal, valuesOf } from './attribute.ts'
import { type Select, select, type Trait, traitAt } from './select.ts'

export interface ApartRule {
  readonly over: string
  /** The group of a partition: any text; null when the rule is not for it. */
  readonly groupOf: (id: string, trait: Trait | undefined) => string | null
  /** For each member, the number of its value. */
  readonly values: readonly number[]
  /** How many values there are. */
  readonly count: number
}

export function apartRules(rules: readonly Apart[], members: readonly PlacedMember[]): ApartRule[] {
  return rules.map(({ for: selector, over, by }) => {
    const selects: Select = select(selector)
    const groupOf = (id: string, trait: Trait | undefined) => {
      if (!selects(id, trait)) return null
      if (by === undefined) return ''
      const value = traitAt(trait, by)
      return value === undefined ? null : String(value)
    }
    return { over, groupOf, ...numbered(members, over) }
  })
}

export function beside(over: string): Refusal {
  return { one: `has another of its group (apart by ${over})`, many: `have another of its group (apart by ${over})` }
}

function numbered(members: readonly PlacedMember[], over: string): Pick<ApartRule, 'values' | 'count'> {
  const known = new Map<string, number>()
  const values = members.map(member => {
    const [value] = valuesOf(member, over)
    const name = value === undefined ? `without ${member.instance}` : `value ${value}`
    const number = known.get(name) ?? known.size
    known.set(name, number)
    return number
  })
  return { values, count: known.size }
}
