/** What people change of a set. It is from then on theirs: neither a definition nor a source takes it away. */
import type { Consul } from '../consul/http.ts'
import { Permanent } from '../errors.ts'
import type { Keys } from '../names.ts'
import { addPartitions, type Change, changePartitions, type Item, type Partition, removePartitions } from './set.ts'

export const changes = ['add', 'remove', 'set'] as const
export type HandChange = (typeof changes)[number]

export interface ByHand extends Change {
  /** They were there, and get another document. */
  readonly changed: readonly string[]
}

/** Pure: what an action on these ids changes. @param document undefined for leaving documents as they are */
export function byHand(
  action: HandChange,
  before: readonly Partition[],
  ids: readonly string[],
  document: unknown,
): ByHand {
  const there = new Set(before.map(({ id }) => id))
  const named = [...new Set(ids)]
  const added = action === 'remove' ? [] : named.filter(id => !there.has(id))
  const gone = [...there].filter(id => (action === 'remove') === named.includes(id))
  return {
    added,
    changed: action === 'remove' || document === undefined ? [] : named.filter(id => there.has(id)),
    removed: action === 'add' ? [] : gone,
  }
}

/** @returns what was changed: others may have been quicker */
export async function changeByHand(
  consul: Consul,
  keys: Keys,
  before: readonly Partition[],
  { added, changed, removed }: ByHand,
  document: unknown,
): Promise<ByHand> {
  const item = (id: string): Item => (document === undefined ? { id } : { id, document })
  const others = before.filter(({ id }) => changed.includes(id)).map(({ id, index }) => ({ id, index, document }))
  return {
    added: added.length > 0 ? await addPartitions(consul, keys, added.map(item), 'hand') : [],
    changed: others.length > 0 ? await changePartitions(consul, keys, others, 'hand') : [],
    removed: removed.length > 0 ? await removePartitions(consul, keys, removed) : [],
  }
}

/** @throws Permanent when it is no JSON */
export function documentFrom(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Permanent(`cannot use the document ${file === '-' ? 'on stdin' : file}: it is no JSON; mend it`)
  }
}
