import { createHash } from 'node:crypto'
import type { Definition } from './definition.ts'

/** The same text for the same value, in whatever order its keys were written. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** 16 hexadecimal digits that change when, and only when, the definition says something else. */
export function digest(definition: Definition): string {
  return createHash('sha256').update(canonical(definition)).digest('hex').slice(0, 16)
}

/** The same of what all machines of a service are to have in common. What differs on purpose is left out. */
export function sharedDigest({
  id: _id,
  tags: _tags,
  weight: _weight,
  maxPartitions: _most,
  ...shared
}: Definition): string {
  return digest(shared as Definition)
}
