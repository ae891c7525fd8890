/** Reads, for all, what the rules of placement need of documents: only of documents that have changed since. */

import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact } from '../consul/kv.ts'
import { partitionsAt } from '../keys/partition-set.ts'
import { markOf, readTraits, traitOf } from '../keys/traits.ts'
import type { Cluster } from '../look/cluster.ts'
import { staleOf } from './documents.ts'

/**
 * Whatever another program changed meanwhile is left as it is, and then the mark is not written: the next look does it again.
 * @throws Temporary when Consul is away
 */
export async function extractTraits(
  consul: Consul,
  cluster: Pick<Cluster, 'keys' | 'partitions' | 'unusable' | 'revision' | 'documentsIndex'>,
  pointers: readonly string[],
): Promise<void> {
  const { keys, partitions, unusable } = cluster
  const of = pointers.join(' ')
  const before = await readTraits(consul, keys)
  const ids = [...partitions].filter(id => !unusable.has(id))
  const other = ids.filter(id => before.keys.get(id)?.of !== of)
  const same = ids.filter(id => before.keys.get(id)?.of === of)
  const stale = [...other, ...(await staleOf(consul, keys, same, id => before.keys.get(id)?.document ?? 0))]
  const found = await partitionsAt(consul, keys, stale)
  const gone = [...before.keys].filter(([id]) => !partitions.has(id) && !unusable.has(id))
  const written = await transactInBatches(consul, {
    items: found,
    operations: ({ id, index, document }) => {
      const value = JSON.stringify({ of, document: index, trait: traitOf(document, pointers) })
      return [{ Verb: 'cas', Key: keys.trait(id), Index: before.keys.get(id)?.index ?? 0, Value: base64(value) }]
    },
  })
  const removed = await transactInBatches(consul, {
    items: gone,
    operations: ([id, { index }]) => [{ Verb: 'delete-cas', Key: keys.trait(id), Index: index }],
  })
  if (written.hindrance) throw written.hindrance
  if (written.refused.length + removed.refused.length > 0) return
  const Value = base64(markOf(cluster, pointers))
  await transact(consul, [
    { Verb: 'set', Key: keys.traitsOf, Value },
    // Wakes everybody: what waited for its document has a place now.
    {
      Verb: 'set',
      Key: keys.look,
      Value: base64(JSON.stringify({ read: found.length, at: new Date().toISOString() })),
    },
  ])
}
