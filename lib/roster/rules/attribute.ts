/** What a rule asks of a member's attribute, and the words for a member of which that is not true. */

import type { Wanted } from '../../definition/rules.ts'
import type { PlacedMember } from '../member.ts'

/** Words for why a member may not have a partition: of one member, and of several. */
export interface Refusal {
  readonly one: string
  readonly many: string
}

/** The values of a member's attribute: none when it lacks it, several only of `tag`. */
export function valuesOf({ node, instance, offers }: PlacedMember, attribute: string): readonly string[] {
  switch (attribute) {
    case 'node':
      return [node]
    case 'instance':
      return [instance]
    case 'datacenter':
      return offers?.datacenter ? [offers.datacenter] : []
    case 'tag':
      return offers?.tags ?? []
    default: {
      const meta = offers?.meta ?? {}
      const name = attribute.slice('meta.'.length)
      return Object.hasOwn(meta, name) ? [meta[name] as string] : []
    }
  }
}

/** Null when it is true of the member. */
export function refusalOf(member: PlacedMember, wanted: { readonly attribute: string } & Wanted): Refusal | null {
  const { attribute } = wanted
  const values = valuesOf(member, attribute)
  if ('not' in wanted) {
    const found = values.find(value => wanted.not.includes(value))
    return found === undefined ? null : has(`${nameOf(attribute)} ${found}`)
  }
  if ('in' in wanted && values.some(value => wanted.in.includes(value))) return null
  if (attribute === 'tag') return lacks(`the tag ${'in' in wanted ? wanted.in.join(' or ') : ''}`)
  const [value] = values
  if (value === undefined) return lacks(attribute)
  if ('in' in wanted) return has(`another ${attribute} than ${wanted.in.join(' or ')}`)
  const number = value.trim() === '' ? Number.NaN : Number(value)
  return number >= wanted.atLeast ? null : has(`less ${attribute} than ${wanted.atLeast}`)
}

function nameOf(attribute: string): string {
  return attribute === 'tag' ? 'the tag' : attribute
}

function lacks(what: string): Refusal {
  return { one: `lacks ${what}`, many: `lack ${what}` }
}

function has(what: string): Refusal {
  return { one: `has ${what}`, many: `have ${what}` }
}
