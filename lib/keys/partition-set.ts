/**
 * The partition set in Consul: one key per partition, and one lock, which is created clean together with the
 * partition.
 */

import { Temporary } from '../base/errors.ts'
import { parseExact } from '../base/exact-json.ts'
import { fieldsIn } from '../base/json.ts'
import { decode, type Keys } from '../base/names.ts'
import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, keysBelow, transactionLimit, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { apart, unlessRefused } from '../consul/refused-key.ts'
import { cleanValue, uncleanValue } from './lock.ts'
import { mustBeAcceptable, refusedIds } from './new-ids.ts'
import { revisionBump } from './settings.ts'

/** Where a partition came from. A partition added by hand survives changes of the definition and of a source. */
export type Origin = 'definition' | 'source' | 'hand'
const origins: readonly unknown[] = ['definition', 'source', 'hand']

/**
 * A partition: its id and, if it has one, its document. A document is any JSON, with its numbers as they were written.
 */
export interface Item {
  readonly id: string
  readonly document?: unknown
}

export interface Partition extends Item {
  /** Null when its value is garbled. */
  readonly from: Origin | null
  /** The key's ModifyIndex. */
  readonly index: number
}

export interface Change {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** The set with its documents. To read only the ids, use `keysBelow`. */
export async function readPartitions(consul: Consul, keys: Keys): Promise<Partition[]> {
  return (await trees(consul, [keys.partitions])).flatMap(entry => partitionFrom(entry, keys) ?? [])
}

/** The partitions of the set with these ids, with their documents. */
export async function partitionsAt(consul: Consul, keys: Keys, ids: readonly string[]): Promise<Partition[]> {
  return (await entriesAt(consul, ids.map(keys.partition))).flatMap(entry => partitionFrom(entry, keys) ?? [])
}

/** The ids of the set, without their documents. */
export async function readIds(consul: Consul, keys: Keys): Promise<string[]> {
  const found = await keysBelow(consul, keys.partitions)
  return found.flatMap(key => decode(key.slice(keys.partitions.length)) ?? [])
}

/** Which of the named keys below a prefix exist. A few are read by name, however many others there are. */
async function present(consul: Consul, prefix: string, named: readonly string[]): Promise<ReadonlySet<string>> {
  if (named.length > transactionLimit) return new Set(await keysBelow(consul, prefix))
  return new Set((await entriesAt(consul, named)).map(({ key }) => key))
}

/** The partition in a key; null for a foreign key. */
export function partitionFrom({ key, value, modifyIndex }: Entry, keys: Keys): Partition | null {
  const id = decode(key.slice(keys.partitions.length))
  if (id === null) return null
  const { from, document } = fieldsIn(value, parseExact)
  const origin = origins.includes(from) ? (from as Origin) : null
  return { id, from: origin, index: modifyIndex, ...(document === undefined ? {} : { document }) }
}

function textOf(from: Origin, { document }: Item): string {
  return base64(JSON.stringify({ from, document }))
}

export interface Writing {
  /** False when Consul lost the set: processes may still run anywhere, so no lock is created as clean. */
  readonly clean?: boolean
  /**
   * Called with the new ids that some version of Consul refuses: they are left out. Without this callback Permanent is
   * thrown instead, and nothing is written.
   */
  readonly onRefused?: (ids: readonly string[]) => void
  /** Conditions for every write; Temporary is thrown when they do not hold. */
  readonly only?: readonly Operation[]
  /** What records the change; the same in each of its transactions: see asked.ts. */
  readonly events?: readonly Operation[]
  /** Makes such operations, once it is known which partitions are to be changed. */
  readonly tell?: (what: 'added' | 'changed' | 'removed', ids: readonly string[]) => Promise<readonly Operation[]>
}

/** Together with what records the change of these partitions. */
async function telling(
  writing: Writing,
  what: 'added' | 'changed' | 'removed',
  of: readonly { readonly id: string }[],
): Promise<Writing> {
  if (writing.tell === undefined || of.length === 0) return writing
  const told = await writing.tell(
    what,
    of.map(({ id }) => id),
  )
  return { ...writing, events: [...(writing.events ?? []), ...told] }
}

/**
 * The operations that accompany every change of the set.
 * @param documents the document of a partition that may run has changed
 */
function along(keys: Keys, { only = [], events = [] }: Writing, documents = false) {
  const told = documents ? [{ ...revisionBump(keys), Key: keys.documents }] : []
  const operations = [revisionBump(keys), ...told, ...only, ...events]
  return { extra: () => operations, extraRoom: operations.length }
}

/**
 * Adds partitions. A lock that still exists from before keeps its takeover wait: removing and adding a partition again
 * cannot forge a clean lock. When two programs add at once, the first write of each partition stays.
 * @returns the ids that were not there before
 */
export async function addPartitions(
  consul: Consul,
  keys: Keys,
  wanted: readonly Item[],
  from: Origin,
  writing: Writing = {},
): Promise<string[]> {
  const { clean = true } = writing
  const added: string[] = []
  const first = await hasFirstDocument(consul, keys, wanted)
  const unique = [...new Map(wanted.map(item => [item.id, item])).values()]
  const refusedAnew = new Set(await refusedNew(consul, keys, unique, writing))
  let missing = unique.filter(({ id }) => !refusedAnew.has(id))
  let told = writing
  for (let attempt = 0; attempt < 5 && missing.length > 0; attempt++) {
    const ids = missing.map(({ id }) => id)
    const there = await present(consul, keys.partitions, ids.map(keys.partition))
    const locks = await present(consul, keys.locks, ids.map(keys.lock))
    const since = new Date().toISOString()
    const items = missing.filter(({ id }) => !there.has(keys.partition(id)))
    if (attempt === 0) told = await telling(writing, 'added', items)
    const { done, refused, hindrance } = await transactInBatches(consul, {
      items,
      operations: item => {
        const Key = keys.lock(item.id)
        const partition = { Verb: 'cas', Key: keys.partition(item.id), Index: 0, Value: textOf(from, item) } as const
        // An existing lock must still exist at the write: a program that removes it checks for the partition's key.
        if (locks.has(Key)) return [partition, { Verb: 'get', Key }]
        const value = clean ? cleanValue(since) : uncleanValue(since)
        return [partition, { Verb: 'cas', Key, Index: 0, Value: base64(value) }]
      },
      ...along(keys, told, first),
    })
    if (hindrance) throw hindrance
    added.push(...done.map(({ id }) => id))
    missing = [...refused]
  }
  if (missing.length > 0)
    throw new Temporary(`cannot add ${missing.length} partitions: others keep changing them; try again`)
  return added
}

/** The refused ones among ids that are not in the set yet; those in the set may stay. */
async function refusedNew(
  consul: Consul,
  keys: Keys,
  items: readonly Item[],
  { onRefused }: Writing,
): Promise<readonly string[]> {
  const doubtful = refusedIds(
    keys,
    items.map(({ id }) => id),
  )
  if (doubtful.length === 0) return []
  const there = await present(consul, keys.partitions, doubtful.map(keys.partition))
  const refused = doubtful.filter(id => !there.has(keys.partition(id)))
  if (onRefused) onRefused(refused)
  else mustBeAcceptable(keys, refused)
  return refused
}

/** Notes in Consul that documents exist. A service without documents never reads them. */
async function hasFirstDocument(consul: Consul, keys: Keys, wanted: readonly Item[]): Promise<boolean> {
  if (wanted.every(({ document }) => document === undefined)) return false
  return (await entriesAt(consul, [keys.documents])).length === 0
}

/**
 * Gives existing partitions another document or origin. A partition that somebody changed since it was read is left as
 * it is. @returns the ids that were changed
 */
export async function changePartitions(
  consul: Consul,
  keys: Keys,
  changes: readonly Pick<Partition, 'id' | 'index' | 'document'>[],
  from: Origin,
  writing: Writing = {},
): Promise<string[]> {
  const { done, hindrance } = await transactInBatches(consul, {
    items: changes,
    operations: item => [{ Verb: 'cas', Key: keys.partition(item.id), Index: item.index, Value: textOf(from, item) }],
    ...along(keys, await telling(writing, 'changed', changes), true),
  })
  if (hindrance && from === 'hand') throw hindrance
  return done.map(({ id }) => id)
}

/** The operations that remove the lock of a partition that is not in the set. */
export function removal(keys: Keys, id: string, index: number): Operation[] {
  return [
    { Verb: 'check-not-exists', Key: keys.partition(id) },
    { Verb: 'delete-cas', Key: keys.lock(id), Index: index },
  ]
}

/**
 * Removes partitions; their locks go later, when none of their processes runs. Each is removed only as it was read: a
 * request that Consul delayed through an election must not remove a partition that was added again meanwhile.
 * @param which of the existing partitions; all by default
 * @returns the ids that were there
 */
export async function removePartitions(
  consul: Consul,
  keys: Keys,
  ids: readonly string[],
  which: (partition: Partition) => boolean = () => true,
  writing: Writing = {},
): Promise<string[]> {
  const removed: string[] = []
  let left: readonly string[] = [...new Set(ids)]
  for (let attempt = 0; attempt < 5 && left.length > 0; attempt++) {
    const there = (await partitionsAt(consul, keys, left)).filter(which)
    const gone = await removeUnchanged(consul, keys, there, writing)
    removed.push(...gone)
    const done = new Set(gone)
    left = there.flatMap(({ id }) => (done.has(id) ? [] : [id]))
  }
  if (left.length > 0)
    throw new Temporary(`cannot remove ${left.length} partitions: others keep changing them; try again`)
  return removed
}

/** Removes partitions that nobody changed since they were read. @returns the ids that are gone */
export async function removeUnchanged(
  consul: Consul,
  keys: Keys,
  partitions: readonly Pick<Partition, 'id' | 'index'>[],
  writing: Writing = {},
): Promise<string[]> {
  const { done, hindrance } = await transactInBatches(consul, {
    items: partitions,
    operations: ({ id, index }) => [{ Verb: 'delete-cas', Key: keys.partition(id), Index: index }],
    ...along(keys, await telling(writing, 'removed', partitions)),
  })
  if (hindrance) throw hindrance
  return done.map(({ id }) => id)
}

export interface Defining extends Omit<Writing, 'onRefused'> {
  /** The partitions to remove, of a removal that was applied. Partitions added by hand since then stay. */
  readonly gone?: readonly string[]
}

/** Makes the definition's partitions equal to these. */
export async function definePartitions(
  consul: Consul,
  keys: Keys,
  ids: readonly string[],
  { gone = [], ...writing }: Defining,
): Promise<Change & { readonly refused: readonly string[] }> {
  const wanted = new Set(ids)
  const items = ids.map(id => ({ id }))
  let refused: readonly string[] = []
  const onRefused = (ids: readonly string[]) => {
    refused = ids
  }
  const added = await addPartitions(consul, keys, items, 'definition', { ...writing, onRefused })
  const isOwn = ({ id, from }: Partition) => (from === 'definition' || from === 'source') && !wanted.has(id)
  const [taken, others] = apart(gone, keys.partition)
  const removed = [
    ...(await removePartitions(consul, keys, taken, isOwn, writing)),
    // A partition that this agent refuses stays; status says why. Dropping it from a definition must not fail at every
    // look.
    ...(await unlessRefused(removePartitions(consul, keys, others, isOwn, writing), [])),
  ]
  return { added, refused, removed }
}
