/** Changes that people make to a set. Neither a definition nor a source removes a partition that was added by hand. */

import { Permanent } from '../../base/errors.ts'
import { parseExact } from '../../base/exact-json.ts'
import { type Keys, keysOf } from '../../base/names.ts'
import { shellWord } from '../../base/printable.ts'
import { byName, listed } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { entriesAt } from '../../consul/kv.ts'
import { mostDocument } from '../../definition/definition.ts'
import { doubledField } from '../../definition/json.ts'
import { recorded } from '../../keys/asked.ts'
import { freezeFrom } from '../../keys/freeze.ts'
import { mustBeAcceptable } from '../../keys/new-ids.ts'
import {
  addPartitions,
  type Change,
  changePartitions,
  type Item,
  partitionsAt,
  readIds,
  removePartitions,
} from '../../keys/partition-set.ts'

export const handActions = ['add', 'remove', 'set'] as const
export type HandAction = (typeof handActions)[number]

export interface ByHand extends Change {
  /** Existing partitions that get a new document. */
  readonly changed: readonly string[]
}

/** The existing partitions that an action on these ids can change. */
export async function concernedBy(
  consul: Consul,
  keys: Keys,
  action: HandAction,
  ids: readonly string[],
): Promise<string[]> {
  if (action === 'set') return readIds(consul, keys)
  return (await partitionsAt(consul, keys, [...new Set(ids)])).map(({ id }) => id)
}

/**
 * Pure: the changes that an action on these ids makes.
 * @param before the existing ids; @param document undefined to leave documents as they are
 */
export function byHand(
  action: HandAction,
  before: readonly string[],
  ids: readonly string[],
  document: unknown,
): ByHand {
  const there = new Set(before)
  const named = [...new Set(ids)]
  const added = action === 'remove' ? [] : named.filter(id => !there.has(id))
  const isNamed = new Set(named)
  const gone = [...there].filter(id => (action === 'remove') === isNamed.has(id))
  return {
    added,
    changed: action === 'remove' || document === undefined ? [] : named.filter(id => there.has(id)),
    removed: action === 'add' ? [] : gone,
  }
}

export interface HandChange extends ByHand {
  /** Ids to remove that are not partitions. */
  readonly unknown: readonly string[]
}

export interface HandOrder {
  readonly action: HandAction
  readonly ids: readonly string[]
  /** Undefined to leave documents as they are. */
  readonly document: unknown
  readonly dryRun: boolean
}

/** @returns what was changed, or would be; @throws Permanent for ids that newer agents refuse */
export async function actByHand(
  consul: Consul,
  service: string,
  { action, ids, document, dryRun }: HandOrder,
): Promise<HandChange> {
  const keys = keysOf(service)
  const before = (await concernedBy(consul, keys, action, ids)).sort(byName)
  const plan = byHand(action, before, ids, document)
  mustBeAcceptable(keys, plan.added)
  if (plan.removed.length > 0) await mustNotBeFrozen(consul, service)
  const done = dryRun ? plan : await changeByHand(consul, keys, plan, document)
  return { ...done, unknown: action === 'remove' ? [...new Set(ids)].filter(id => !before.includes(id)) : [] }
}

/** @throws Permanent while the service is frozen: no set shrinks then */
async function mustNotBeFrozen(consul: Consul, service: string): Promise<void> {
  const [entry] = await entriesAt(consul, [keysOf(service).freeze])
  if (!freezeFrom(entry)?.frozen) return
  throw new Permanent(
    `cannot remove partitions of ${service}: it is frozen, and no set shrinks; watchbill thaw ${shellWord(service)}, then again`,
  )
}

/** Pure: the change in one line. @param documents whether a document was given, so that changed ones are listed */
export function handWords(
  service: string,
  { added, removed, changed, unknown }: HandChange,
  { dryRun, documents }: { readonly dryRun: boolean; readonly documents: boolean },
): string {
  const said = (ids: readonly string[]) => listed(ids) || 'none'
  const [add, remove, change] = dryRun ? ['would add', 'would remove', 'would change'] : ['added', 'removed', 'changed']
  const words = [`${add}: ${said(added)}`, `${remove}: ${said(removed)}`]
  if (documents) words.push(`${change}: ${said(changed)}`)
  if (unknown.length > 0)
    words.push(`${service} has no partition ${said(unknown)}; see watchbill partitions ${shellWord(service)}`)
  return words.join('; ')
}

/** @returns what was really changed: others may have changed some of it first */
export async function changeByHand(
  consul: Consul,
  keys: Keys,
  { added, changed, removed }: ByHand,
  document: unknown,
): Promise<ByHand> {
  const item = (id: string): Item => (document === undefined ? { id } : { id, document })
  const others = (await partitionsAt(consul, keys, changed)).map(({ id, index }) => ({ id, index, document }))
  const by = async (what: string, partitions: readonly string[]) => ({
    events: await recorded(consul, keys, [{ what, partitions }]),
  })
  return {
    added: added.length > 0 ? await addPartitions(consul, keys, added.map(item), 'hand', await by('added', added)) : [],
    changed:
      others.length > 0 ? await changePartitions(consul, keys, others, 'hand', await by('changed', changed)) : [],
    removed:
      removed.length > 0 ? await removePartitions(consul, keys, removed, () => true, await by('removed', removed)) : [],
  }
}

/** @throws Permanent when it is no JSON, has a field twice, or is too large */
export function documentFrom(text: string, file: string): unknown {
  const unusable = (why: string, todo = 'mend it') =>
    new Permanent(`cannot use the document ${file === '-' ? 'on stdin' : file}: ${why}; ${todo}`)
  let document: unknown
  try {
    document = parseExact(text)
  } catch {
    throw unusable('it is no JSON')
  }
  const doubled = doubledField(text)
  if (doubled !== null) throw unusable(doubled)
  const bytes = Buffer.byteLength(JSON.stringify(document))
  const todo = 'make it smaller, or have it name where the rest is'
  if (bytes > mostDocument)
    throw unusable(`it takes ${bytes} bytes as one line of JSON, more than ${mostDocument}`, todo)
  return document
}
