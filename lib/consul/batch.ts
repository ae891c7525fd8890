/** Many small conditional writes in few transactions. */
import { Temporary } from '../base/errors.ts'
import type { Consul } from './http.ts'
import { type Entry, transact, transactionLimit } from './kv.ts'
import type { Operation } from './operation.ts'
import { RefusedKey, refusable, unlessRefused } from './refused-key.ts'

export interface Batched<T> {
  readonly done: readonly T[]
  readonly refused: readonly T[]
  /** Items with a key that this agent refuses. The error is in `hindrance`, which is null when there are none. */
  readonly unusable: readonly T[]
  readonly hindrance: RefusedKey | null
}

interface Batch<T> {
  readonly items: readonly T[]
  /** The operations of one item: Consul does all of them or none. */
  readonly operations: (item: T) => readonly Operation[]
  /** Unconditional operations added to each transaction, whatever items it carries. At most `extraRoom` of them. */
  readonly extra?: (items: readonly T[]) => readonly Operation[]
  readonly extraRoom?: number
  /** Called after each transaction that Consul carried out, with the entries of its answer. */
  readonly onDone?: (items: readonly T[], entries: readonly Entry[]) => void | Promise<void>
}

/**
 * Sends the items' operations, up to 64 in a transaction. A refused item is dropped, and the rest of its transaction is
 * sent again. Items with keys that newer agents refuse go last, in transactions of their own.
 * @throws Temporary when Consul cannot be reached: then the outcome of one transaction is not known.
 */
export async function transactInBatches<T>(consul: Consul, batch: Batch<T>): Promise<Batched<T>> {
  const { aside, ...first } = await sendAll(consul, batch, batch.items, false)
  if (aside.length === 0) return first
  const { done, refused, unusable, hindrance } = await sendAll(consul, batch, aside, true)
  return { done: [...first.done, ...done], refused: [...first.refused, ...refused], unusable, hindrance }
}

/** @param refusableTurn true sends only the items with keys that newer agents refuse; false leaves those `aside` */
async function sendAll<T>(consul: Consul, batch: Batch<T>, all: readonly T[], refusableTurn: boolean) {
  const result = { done: [] as T[], refused: [] as T[], unusable: [] as T[], aside: [] as T[] }
  let hindrance: RefusedKey | null = null
  for (let queue = [...all]; queue.length > 0; ) {
    const next = fill(queue, batch, refusableTurn)
    result.aside.push(...next.skipped)
    const sent = next.items.length > 0 ? await send(consul, batch, next, refusableTurn) : []
    if (sent instanceof RefusedKey) {
      hindrance = sent
      result.unusable.push(...next.items)
    } else if (sent === 'done') result.done.push(...next.items)
    else result.refused.push(...sent)
    const over = new Set([...next.skipped, ...(typeof sent === 'string' || sent instanceof Error ? next.items : sent)])
    queue = queue.filter(item => !over.has(item))
  }
  return { ...result, hindrance }
}

/** Sends one transaction. @returns 'done', or the refused items, or the error of an agent that refuses their keys */
async function send<T>(
  consul: Consul,
  batch: Batch<T>,
  { items, operations, owners }: Filled<T>,
  refusableTurn: boolean,
): Promise<'done' | readonly T[] | RefusedKey> {
  const extra = batch.extra?.(items) ?? []
  const along = refusableTurn ? extra : extra.filter(operation => !isRefusable([operation]))
  const alone = extra.filter(operation => !along.includes(operation))
  const sent = transact(consul, [...operations, ...along])
  const outcome = await (refusableTurn ? sent.catch(asRefusedKey) : sent)
  if (outcome instanceof RefusedKey) return outcome
  if (!outcome.done) {
    const dropped = new Set(owners.filter((_, position) => outcome.failed.has(position)))
    if (dropped.size > 0) return [...dropped]
    throw new Temporary(
      'cannot complete a transaction: Consul refused operations that carry no condition; it is tried again',
    )
  }
  await batch.onDone?.(items, outcome.entries)
  if (alone.length > 0) await unlessRefused(transact(consul, alone), null)
  return 'done'
}

function asRefusedKey(error: unknown): RefusedKey {
  if (error instanceof RefusedKey) return error
  throw error
}

/** The most bytes of values in one transaction, in base64. Consul takes 512 KiB in all (seen on 1.8.7). */
const mostBytes = 400 * 1024

interface Filled<T> {
  readonly items: readonly T[]
  readonly operations: readonly Operation[]
  /** The item of each operation. */
  readonly owners: readonly T[]
  /** Items left for the other turn: keys that newer agents refuse. */
  readonly skipped: readonly T[]
}

/** The next items whose operations fit into one transaction. */
function fill<T>(queue: readonly T[], batch: Batch<T>, refusableTurn: boolean): Filled<T> {
  const room = transactionLimit - (batch.extraRoom ?? 0)
  const items: T[] = []
  const operations: Operation[] = []
  const owners: T[] = []
  const skipped: T[] = []
  let bytes = 0
  for (const item of queue) {
    const own = batch.operations(item)
    if (!refusableTurn && isRefusable(own)) {
      skipped.push(item)
      continue
    }
    bytes += own.reduce((sum, { Value = '' }) => sum + Value.length, 0)
    if (operations.length + own.length > room || (bytes > mostBytes && items.length > 0)) break
    items.push(item)
    operations.push(...own)
    owners.push(...own.map(() => item))
  }
  return { items, operations, owners, skipped }
}

function isRefusable(operations: readonly Operation[]): boolean {
  return refusable(operations.map(({ Key }) => Key)) !== undefined
}

/** The entry that a transaction left at a key: the last one of its answer. */
export function lastEntry(entries: readonly Entry[], key: string): Entry | undefined {
  return entries.findLast(entry => entry.key === key)
}
