/** The difference between the set in Consul and the fetched one, as changes to write. Pure. */
import type { Item, Partition } from '../keys/partition-set.ts'

export interface SetChange {
  readonly added: readonly Item[]
  /** The new documents, each with the index of the present key. */
  readonly changed: readonly Pick<Partition, 'id' | 'index' | 'document'>[]
  readonly removed: readonly Partition[]
}

/**
 * Partitions that were added by hand stay as they are, and so do those not in `own`.
 * @param own the ids in force that the source may remove
 */
export function changeOf(present: readonly Partition[], own: ReadonlySet<string>, items: readonly Item[]): SetChange {
  const there = new Map(present.map(partition => [partition.id, partition]))
  const wanted = new Set(items.map(({ id }) => id))
  return {
    added: items.filter(({ id }) => !there.has(id)),
    changed: items.flatMap(({ id, document }) => {
      const now = there.get(id)
      if (now === undefined || now.from === 'hand' || (now.from === 'source' && same(now.document, document))) return []
      return [{ id, index: now.index, document }]
    }),
    removed: present.filter(({ id }) => own.has(id) && !wanted.has(id)),
  }
}

/**
 * The ids that a source may remove: those that it added, and, at its first answer, those of the definition before it. Later
 * an id from a definition comes from a newer definition, to which the instances are being changed.
 */
export function ownOf(present: readonly Partition[], first: boolean): Set<string> {
  const own = present.filter(({ from }) => from === 'source' || (first && from === 'definition'))
  return new Set(own.map(({ id }) => id))
}

/** Compares the JSON, which keeps the order of fields as the source gave it. */
function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
