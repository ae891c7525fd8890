/** What has to be written so that a set in Consul becomes the one that was fetched. Pure. */
import type { Item, Partition } from '../keys/partition-set.ts'

export interface SetChange {
  readonly added: readonly Item[]
  /** As they are to be, with the index of what they are now. */
  readonly changed: readonly Pick<Partition, 'id' | 'index' | 'document'>[]
  readonly removed: readonly Partition[]
}

/**
 * What was added by hand stays as it is, and so does what is not ours to read.
 * @param own those in force that the source may take away
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
 * What a source may take away: what it brought, and, the first time, what stood in the definition before it. Later the
 * definition's are those of another one, to which the instances are changing over.
 */
export function ownOf(present: readonly Partition[], first: boolean): Set<string> {
  const own = present.filter(({ from }) => from === 'source' || (first && from === 'definition'))
  return new Set(own.map(({ id }) => id))
}

/** By their JSON, which keeps the order of fields as the source gave it. */
function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
