/** What has to be written so that a set in Consul becomes the one that was fetched. Pure. */
import type { Item, Partition } from '../partitions/set.ts'

export interface SetChange {
  readonly added: readonly Item[]
  /** As they are to be, with the index of what they are now. */
  readonly changed: readonly Pick<Partition, 'id' | 'index' | 'document'>[]
  readonly removed: readonly Partition[]
}

/** What was added by hand stays as it is, and so does what is not ours to read. */
export function changeOf(present: readonly Partition[], items: readonly Item[]): SetChange {
  const there = new Map(present.map(partition => [partition.id, partition]))
  const wanted = new Set(items.map(({ id }) => id))
  return {
    added: items.filter(({ id }) => !there.has(id)),
    changed: items.flatMap(({ id, document }) => {
      const now = there.get(id)
      if (now === undefined || now.from === 'hand' || (now.from === 'source' && same(now.document, document))) return []
      return [{ id, index: now.index, document }]
    }),
    removed: present.filter(partition => isFetched(partition) && !wanted.has(partition.id)),
  }
}

/** Its source, or the definition before there was one, may take it away. */
export function isFetched({ from }: Pick<Partition, 'from'>): boolean {
  return from === 'source' || from === 'definition'
}

/** By their JSON, which keeps the order of fields as the source gave it. */
function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
