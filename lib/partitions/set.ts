/** The partition set in Consul: one key per partition, and its lock, which is made clean together with it. */
import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, keysBelow, trees } from '../consul/kv.ts'
import { Temporary } from '../errors.ts'
import { cleanValue } from '../lease/lock-value.ts'
import { decode, type Keys } from '../names.ts'
import { revisionBump } from '../settings.ts'

/** Where a partition came from. What was added by hand survives a change of the definition. */
export type Origin = 'definition' | 'hand'

export interface Partition {
  readonly id: string
  readonly from: Origin | null
}

export interface Change {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** The set, each with its origin (null when its value is garbled). */
export async function readPartitions(consul: Consul, keys: Keys): Promise<Partition[]> {
  return (await trees(consul, [keys.partitions])).flatMap(entry => {
    const id = decode(entry.key.slice(keys.partitions.length))
    return id === null ? [] : [{ id, from: originOf(entry) }]
  })
}

function originOf(entry: Entry): Origin | null {
  try {
    const from = (JSON.parse(entry.value ?? '{}') as { from?: unknown }).from
    return from === 'definition' || from === 'hand' ? from : null
  } catch {
    return null
  }
}

/**
 * Adds partitions. A lock that is still there from before keeps its takeover wait: removing and adding again cannot
 * forge a clean one. Two at once lose nothing: what the other was quicker with is left as it is.
 * @param clean false when the set was lost from Consul: then nobody knows what still runs, and each lock is left out
 * @returns the ids that were not there before
 */
export async function addPartitions(
  consul: Consul,
  keys: Keys,
  ids: readonly string[],
  from: Origin,
  clean = true,
): Promise<string[]> {
  const added: string[] = []
  let missing = [...new Set(ids)]
  for (let attempt = 0; attempt < 5 && missing.length > 0; attempt++) {
    const there = new Set(await keysBelow(consul, keys.partitions))
    const locks = new Set(await keysBelow(consul, keys.locks))
    const since = new Date().toISOString()
    const value = base64(JSON.stringify({ from }))
    const items = missing.filter(id => !there.has(keys.partition(id)))
    const { done, refused } = await transactInBatches(consul, {
      items,
      operations: id => [
        { Verb: 'cas', Key: keys.partition(id), Index: 0, Value: value },
        ...(clean && !locks.has(keys.lock(id))
          ? [{ Verb: 'cas', Key: keys.lock(id), Index: 0, Value: base64(cleanValue(since)) } as const]
          : []),
      ],
      extra: () => [revisionBump(keys)],
      extraRoom: 1,
    })
    added.push(...done)
    missing = [...refused]
  }
  if (missing.length > 0)
    throw new Temporary(`cannot add ${missing.length} partitions: others keep changing them; try again`)
  return added
}

/** Removes partitions; their locks go once nothing of them runs. @returns the ids that were there */
export async function removePartitions(consul: Consul, keys: Keys, ids: readonly string[]): Promise<string[]> {
  const there = new Set(await keysBelow(consul, keys.partitions))
  const { done } = await transactInBatches(consul, {
    items: [...new Set(ids)].filter(id => there.has(keys.partition(id))),
    operations: id => [{ Verb: 'delete', Key: keys.partition(id) }],
    extra: () => [revisionBump(keys)],
    extraRoom: 1,
  })
  return [...done]
}

/** Makes these the partitions of the definition; what was added by hand stays. */
export async function definePartitions(
  consul: Consul,
  keys: Keys,
  ids: readonly string[],
  clean: boolean,
): Promise<Change> {
  const wanted = new Set(ids)
  const before = await readPartitions(consul, keys)
  const added = await addPartitions(consul, keys, ids, 'definition', clean)
  const gone = before.filter(({ id, from }) => from === 'definition' && !wanted.has(id)).map(({ id }) => id)
  return { added, removed: await removePartitions(consul, keys, gone) }
}
