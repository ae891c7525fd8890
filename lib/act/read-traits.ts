/** Reads, for all, what the rules of placement need of documents: only of documents that have changed since. */

import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64, look, transact, transactionLimit } from '../consul/kv.ts'
import { apart, unlessRefused } from '../consul/refused-key.ts'
import { partitionsAt } from '../keys/partition-set.ts'
import { markOf, readTraits, traitOf } from '../keys/traits.ts'
import type { Cluster } from '../look/cluster.ts'

/**
 * Whatever another program changed meanwhile is left as it is, and then the mark is not written: the next look does it again.
 * @throws Temporary when Consul is away
 */
export async function extractTraits(
  consul: Consul,
  cluster: Pick<Cluster, 'keys' | 'partitions' | 'revision' | 'documentsIndex'>,
  pointers: readonly string[],
): Promise<void> {
  const { keys, partitions } = cluster
  const of = pointers.join(' ')
  const before = await readTraits(consul, keys)
  const [ids] = apart([...partitions], keys.partition)
  const other = ids.filter(id => before.keys.get(id)?.of !== of)
  const same = ids.filter(id => before.keys.get(id)?.of === of)
  const stale = [...other, ...(await changed(consul, keys, same, id => before.keys.get(id)?.document ?? 0))]
  const found = await partitionsAt(consul, keys, stale)
  const gone = [...before.keys].filter(([id]) => !partitions.has(id))
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
  const hindrance = written.hindrance ?? removed.hindrance
  if (hindrance) throw hindrance
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

/** The partitions whose key has another index: 64 small checks in a request, however large the documents are. */
async function changed(
  consul: Consul,
  keys: Cluster['keys'],
  ids: readonly string[],
  indexOf: (id: string) => number,
): Promise<string[]> {
  const stale: string[] = []
  for (let from = 0; from < ids.length; from += transactionLimit) {
    const some = ids.slice(from, from + transactionLimit)
    const asked = look(
      consul,
      some.map(id => ({ Verb: 'check-index', Key: keys.partition(id), Index: indexOf(id) })),
    )
    const outcome = await unlessRefused(asked, null)
    if (outcome?.done === false) stale.push(...some.filter((_, position) => outcome.failed.has(position)))
  }
  return stale
}
