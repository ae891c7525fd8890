/**
 * `watchbill/client`: for a Node program that adds and removes partitions itself, or asks who has one. The calls do the same
 * as `watchbill partitions` and `watchbill owner`, through any agent. A failed call may be repeated as it is.
 */

import { Permanent, Temporary } from '../../base/errors.ts'
import { encode, type Keys, keysOf } from '../../base/names.ts'
import { Consul } from '../../consul/http.ts'
import { entriesAt } from '../../consul/kv.ts'
import { lockFrom } from '../../keys/lock.ts'
import {
  addPartitions,
  changePartitions,
  type Partition as Found,
  partitionsAt,
  readPartitions,
  removePartitions,
  removeUnchanged,
} from '../../keys/partition-set.ts'
import type { Allocated, Deallocated, Options, Partition, Unwanted, Wanted } from './types.ts'

export type { Allocated, Deallocated, Options, Partition, Unwanted, Wanted } from './types.ts'

/** The largest document in bytes, as for sources: it must fit into one of Consul's keys. */
const mostDocument = 256 * 1024
/** How often to try again when others change the same partitions. */
const mostTries = 5

/**
 * Makes sure that these partitions exist, each with its document.
 * @param service the Consul service name
 * @throws Error whose name is Permanent when it can never be done (no such service, a bad id, a document that is too large,
 * a missing permission), or Temporary when Consul is away: then call again
 */
export async function allocate(
  service: string,
  wanted: string | Wanted | readonly (string | Wanted)[],
  options: Options = {},
): Promise<Allocated> {
  const items = unique<Wanted>(wanted)
  for (const item of items) mustFit(item)
  return withService(service, options, async (consul, keys) => {
    const done: Allocated = { added: [], changed: [], unchanged: [], refused: [] }
    let pending = items
    for (let tries = 0; pending.length > 0; tries++) {
      if (tries === mostTries)
        throw new Temporary(`cannot allocate ${idsOf(pending)}: others keep changing them; try again`)
      const there = await found(consul, keys, pending)
      const [same, others] = parted(pending, item => isAsWanted(there.get(item.id), item))
      const [allowed, refused] = parted(others, item => isMet(there.get(item.id), item))
      done.unchanged.push(...idsOf(same))
      done.refused.push(...idsOf(refused))
      const [known, fresh] = parted(allowed, ({ id }) => there.has(id))
      const added = fresh.length > 0 ? await addPartitions(consul, keys, fresh, 'hand') : []
      const changes = known.map(({ id, document }) => changed(there.get(id) as Found, document))
      const written = changes.length > 0 ? await changePartitions(consul, keys, changes, 'hand') : []
      done.added.push(...added)
      done.changed.push(...written)
      pending = allowed.filter(({ id }) => !added.includes(id) && !written.includes(id))
    }
    return done
  })
}

/**
 * Makes sure that these partitions are removed. Their processes are stopped as at any hand-over, maybe after this resolves.
 * @throws as `allocate`
 */
export async function deallocate(
  service: string,
  unwanted: string | Unwanted | readonly (string | Unwanted)[],
  options: Options = {},
): Promise<Deallocated> {
  const items = unique<Unwanted>(unwanted)
  for (const { id } of items) encode(id)
  return withService(service, options, async (consul, keys) => {
    const there = await found(consul, keys, items)
    const [present, missing] = parted(items, ({ id }) => there.has(id))
    const [allowed, refused] = parted(present, item => isMet(there.get(item.id), item))
    const [conditional, others] = parted(allowed, ({ index }) => index !== undefined)
    const asRead = conditional.map(({ id, index }) => ({ id, index: index as number }))
    const removed = [
      ...(others.length > 0 ? await removePartitions(consul, keys, idsOf(others)) : []),
      ...(asRead.length > 0 ? await removeUnchanged(consul, keys, asRead) : []),
    ]
    // Somebody else has changed or removed them first.
    const left = allowed.filter(({ id }) => !removed.includes(id))
    const now = left.length > 0 ? await found(consul, keys, left) : new Map()
    const [changed, gone] = parted(left, ({ id }) => now.has(id))
    return { removed, absent: idsOf([...missing, ...gone]), refused: idsOf([...refused, ...changed]) }
  })
}

/**
 * The instance that has a partition, `<node>:<service id>`; null while nobody has it, and when there is no such partition.
 * @throws as `allocate`
 */
export async function owner(service: string, id: string, options: Options = {}): Promise<string | null> {
  encode(id)
  return withService(service, options, async (consul, keys) => {
    const [entry] = await entriesAt(consul, [keys.lock(id)])
    const lock = entry === undefined ? null : lockFrom(entry)
    if (!lock?.session) return null
    if (lock.held) return lock.held.instance
    throw new Temporary(`cannot tell who has ${id}: its lock was overwritten; its holder writes it anew, ask again`)
  })
}

/** The partitions of a service, with their documents. @throws as `allocate` */
export function partitions(service: string, options: Options = {}): Promise<Partition[]> {
  return withService(service, options, readPartitions)
}

/**
 * @throws Permanent for a service without a set. A typing mistake must not create a new one; and if the set was lost from
 * Consul, unknown processes may still run, so that no lock may be created as clean.
 */
async function withService<T>(
  service: string,
  { env, timeout }: Options,
  work: (consul: Consul, keys: Keys) => Promise<T>,
): Promise<T> {
  const keys = keysOf(service)
  const consul = new Consul({ ...(env && { env }), ...(timeout !== undefined && { limit: timeout }) })
  try {
    if ((await entriesAt(consul, [keys.revision])).length > 0) return await work(consul, keys)
    throw new Permanent(
      `cannot find the service ${service}: watchbill keeps no such partition set; start an instance of it, and see watchbill status`,
    )
  } finally {
    consul.close()
  }
}

async function found(
  consul: Consul,
  keys: Keys,
  items: readonly { readonly id: string }[],
): Promise<ReadonlyMap<string, Found>> {
  return new Map((await partitionsAt(consul, keys, idsOf(items))).map(partition => [partition.id, partition]))
}

/** Not yet true for a partition from a definition or a source: those would remove it again. */
function isAsWanted(there: Found | undefined, { document }: Wanted): boolean {
  if (there?.from !== 'hand') return false
  return document === undefined || JSON.stringify(there.document) === JSON.stringify(document)
}

/** The partition as it should be. Without a document in the call it keeps its present one. */
function changed({ id, index, document: before }: Found, document: unknown): Pick<Found, 'id' | 'index' | 'document'> {
  return { id, index, document: document === undefined ? before : document }
}

function isMet(there: Found | undefined, { index }: Unwanted): boolean {
  return index === undefined || index === (there?.index ?? 0)
}

/** @throws Permanent for a bad id or document */
function mustFit({ id, document }: Wanted): void {
  encode(id)
  if (document === undefined) return
  const bytes = Buffer.byteLength(textOf(document))
  if (bytes > 0 && bytes <= mostDocument) return
  const why = bytes > 0 ? `it takes ${bytes} bytes, more than ${mostDocument}` : 'it is no JSON'
  throw new Permanent(`cannot use the document of ${id}: ${why}; have it name where the rest is`)
}

/** The document as JSON; '' when it cannot be written as JSON. */
function textOf(document: unknown): string {
  try {
    return JSON.stringify(document) ?? ''
  } catch {
    return '' // a bigint, or it refers to itself
  }
}

/** Each id once; the last one counts. @throws Permanent for an id that is no text: not every program has types */
function unique<Item extends { readonly id: string }>(given: string | Item | readonly (string | Item)[]): Item[] {
  const items = [given].flat().map(one => {
    if (typeof one === 'string') return { id: one } as Item
    const id: unknown = Object(one) === one ? (one as Item).id : one
    if (typeof id !== 'string') throw new Permanent(`cannot use the id ${id}: it is no text; give a string`)
    return one as Item
  })
  return [...new Map(items.map(item => [item.id, item])).values()]
}

function parted<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  const { yes = [], no = [] } = Object.groupBy(items, item => (belongs(item) ? 'yes' : 'no'))
  return [yes, no]
}

function idsOf(items: readonly { readonly id: string }[]): string[] {
  return items.map(({ id }) => id)
}
