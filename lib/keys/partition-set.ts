/** The partition set in Consul: one key per partition, and its lock, which is made clean together with it. */

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

/** Where a partition came from. What was added by hand survives a change of the definition, and what a source brings. */
export type Origin = 'definition' | 'source' | 'hand'
const origins: readonly unknown[] = ['definition', 'source', 'hand']

/** What a partition is: its id, and its document if it has one, any JSON, with its numbers as they were written. */
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

/** The set, with its documents: for the ids alone there is `keysBelow`. */
export async function readPartitions(consul: Consul, keys: Keys): Promise<Partition[]> {
  return (await trees(consul, [keys.partitions])).flatMap(entry => partitionFrom(entry, keys) ?? [])
}

/** Those of these ids that are in the set, with their documents. */
export async function partitionsAt(consul: Consul, keys: Keys, ids: readonly string[]): Promise<Partition[]> {
  return (await entriesAt(consul, ids.map(keys.partition))).flatMap(entry => partitionFrom(entry, keys) ?? [])
}

/** The ids of the set, without their documents. */
export async function readIds(consul: Consul, keys: Keys): Promise<string[]> {
  const found = await keysBelow(consul, keys.partitions)
  return found.flatMap(key => decode(key.slice(keys.partitions.length)) ?? [])
}

/** Which of these keys below a prefix are there: a few are asked for by name, however many others there are. */
async function present(consul: Consul, prefix: string, named: readonly string[]): Promise<ReadonlySet<string>> {
  if (named.length > transactionLimit) return new Set(await keysBelow(consul, prefix))
  return new Set((await entriesAt(consul, named)).map(({ key }) => key))
}

/** What a partition's key says; null for a foreign one. */
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
  /** False when the set was lost from Consul: then nobody knows what still runs, and no lock is made as clean. */
  readonly clean?: boolean
  /**
   * Told of new ids that some version of Consul refuses: they are left out. Without it nothing is written, and Permanent
   * is thrown.
   */
  readonly onRefused?: (ids: readonly string[]) => void
  /** What must hold for anything to be written; when it does not, Temporary is thrown. */
  readonly only?: readonly Operation[]
}

/** What goes along with every change of the set. @param documents a document of one that may run has changed */
function along(keys: Keys, { only = [] }: Writing, documents = false) {
  const told = documents ? [{ ...revisionBump(keys), Key: keys.documents }] : []
  const operations = [revisionBump(keys), ...told, ...only]
  return { extra: () => operations, extraRoom: operations.length }
}

/**
 * Adds partitions. A lock that is still there from before keeps its takeover wait: removing and adding again cannot
 * forge a clean one. Two at once lose nothing: what the other was quicker with is left as it is.
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
  for (let attempt = 0; attempt < 5 && missing.length > 0; attempt++) {
    const ids = missing.map(({ id }) => id)
    const there = await present(consul, keys.partitions, ids.map(keys.partition))
    const locks = await present(consul, keys.locks, ids.map(keys.lock))
    const since = new Date().toISOString()
    const { done, refused, hindrance } = await transactInBatches(consul, {
      items: missing.filter(({ id }) => !there.has(keys.partition(id))),
      operations: item => {
        const Key = keys.lock(item.id)
        const partition = { Verb: 'cas', Key: keys.partition(item.id), Index: 0, Value: textOf(from, item) } as const
        // One that is there must still be: whoever removes it looks for the partition.
        if (locks.has(Key)) return [partition, { Verb: 'get', Key }]
        const value = clean ? cleanValue(since) : uncleanValue(since)
        return [partition, { Verb: 'cas', Key, Index: 0, Value: base64(value) }]
      },
      ...along(keys, writing, first),
    })
    if (hindrance) throw hindrance
    added.push(...done.map(({ id }) => id))
    missing = [...refused]
  }
  if (missing.length > 0)
    throw new Temporary(`cannot add ${missing.length} partitions: others keep changing them; try again`)
  return added
}

/** Those that are there already may stay. */
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

/** From then on it is known that there are documents; a service without any never asks for them. */
async function hasFirstDocument(consul: Consul, keys: Keys, wanted: readonly Item[]): Promise<boolean> {
  if (wanted.every(({ document }) => document === undefined)) return false
  return (await entriesAt(consul, [keys.documents])).length === 0
}

/**
 * Gives partitions that are there another document, or another origin. What somebody else changed since it was read is
 * left as it is. @returns the ids of those that were changed
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
    ...along(keys, writing, true),
  })
  if (hindrance && from === 'hand') throw hindrance
  return done.map(({ id }) => id)
}

/** What removes the lock of a partition that is not in the set. */
export function removal(keys: Keys, id: string, index: number): Operation[] {
  return [
    { Verb: 'check-not-exists', Key: keys.partition(id) },
    { Verb: 'delete-cas', Key: keys.lock(id), Index: index },
  ]
}

/**
 * Removes partitions; their locks go once nothing of them runs. Each only as it was read: a request that Consul kept back
 * through an election must not remove what was added again since.
 * @param which of those that are there; all unless given
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

/** The same for those that nobody has changed since they were read. @returns the ids of those that are gone */
export async function removeUnchanged(
  consul: Consul,
  keys: Keys,
  partitions: readonly Pick<Partition, 'id' | 'index'>[],
  writing: Writing = {},
): Promise<string[]> {
  const { done, hindrance } = await transactInBatches(consul, {
    items: partitions,
    operations: ({ id, index }) => [{ Verb: 'delete-cas', Key: keys.partition(id), Index: index }],
    ...along(keys, writing),
  })
  if (hindrance) throw hindrance
  return done.map(({ id }) => id)
}

export interface Defining extends Omit<Writing, 'onRefused'> {
  /** Those of the set that go, where that was applied; what was added by hand since stays. */
  readonly gone?: readonly string[]
}

/** Makes these partitions of the definition's own. */
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
    // They stay; status says why. A definition that drops one must not fail for it at every look.
    ...(await unlessRefused(removePartitions(consul, keys, others, isOwn, writing), [])),
  ]
  return { added, refused, removed }
}
