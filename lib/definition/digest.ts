import { createHash } from 'node:crypto'
import type { Definition } from './definition.ts'

/** The same text for equal values, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** 16 hexadecimal digits that are equal for equal definitions, and only for those. */
export function digest(definition: Definition): string {
  return digestOf(definition)
}

/** The same of any JSON. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)
}

/**
 * The digest of the fields that all machines of a service must share. Fields that may differ on purpose are left out.
 */
export function sharedDigest({
  id: _id,
  tags: _tags,
  weight: _weight,
  maxPartitions: _most,
  maxCost: _mostCost,
  meta: _meta,
  templateVariables: _variables,
  render: _render,
  ...shared
}: Definition): string {
  return digest(shared as Definition)
}
