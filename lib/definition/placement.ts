/** The rules of a definition file in the form in which they stand in Consul. */
import { digestOf } from './digest.ts'
import type { PlacementFile } from './placement-fields.ts'
import type { Proposed, Rules, Selector, Wanted } from './rules.ts'

type Value = string | number | boolean
type FileRule = NonNullable<PlacementFile['only']>[number]

export function proposedFrom(from: PlacementFile): Proposed {
  const rules: Rules = {
    only: (from.only ?? []).map(rule => ({ ...selected(rule), attribute: rule.attribute, ...wantedOf(rule) })),
    prefer: (from.prefer ?? []).map(rule => ({
      ...selected(rule),
      attribute: rule.attribute,
      ...wantedOf(rule),
      weight: rule.weight,
    })),
    spread: (from.spread ?? []).map(({ over, shares, ...rule }) => ({
      ...selected(rule),
      over,
      ...(shares && { shares }),
    })),
    apart: (from.apart ?? []).map(({ over, by, ...rule }) => ({
      ...selected(rule),
      over,
      ...(by !== undefined && { by }),
    })),
    cost: (from.cost ?? []).map(({ is, field = '', ...rule }) => ({
      ...selected(rule),
      ...(is === undefined ? { field } : { is }),
    })),
  }
  return { digest: digestOf(rules), rules }
}

function selected(rule: Pick<FileRule, 'for'>): { readonly for?: Selector } {
  if (rule.for === undefined) return {}
  return { for: typeof rule.for === 'string' ? rule.for : { field: rule.for.field, in: texts(rule.for.in) } }
}

function wantedOf({ is, in: some, not, atLeast }: FileRule): Wanted {
  if (is !== undefined) return { in: [String(is)] }
  if (some !== undefined) return { in: texts(some) }
  return atLeast === undefined ? { not: texts([not ?? []].flat()) } : { atLeast }
}

/** Consul keeps texts alone. */
function texts(values: readonly Value[]): string[] {
  return values.map(String)
}
