/** Many small conditional writes in few transactions. */
import { Temporary } from '../base/errors.ts'
import type { Consul } from './http.ts'
import { type Entry, transact, transactionLimit } from './kv.ts'
import type { Operation } from './operation.ts'
import { RefusedKey, refusable, unlessRefused } from './refused-key.ts'

export interface Batched<T> {
  readonly done: readonly T[]
  readonly refused: readonly T[]
  /** What the agent takes no keys of; its error stands in `hindrance`, null when there are none. */
  readonly unusable: readonly T[]
  readonly hindrance: RefusedKey | null
}

interface Batch<T> {
  readonly items: readonly T[]
  /** The operations of one item: all of them happen, or none. */
  readonly operations: (item: T) => readonly Operation[]
  /** Written along with each transaction, whatever items it carries; they carry no condition. At most `extraRoom`. */
  readonly extra?: (items: readonly T[]) => readonly Operation[]
  readonly extraRoom?: number
  /** Called after each transaction that was done, with the entries it answered. */
  readonly onDone?: (items: readonly T[], entries: readonly Entry[]) => void | Promise<void>
}

/**
 * Sends the items' operations, up to 64 in a transaction. What is refused is dropped, and the rest of its transaction
 * goes again. Items with keys that newer agents refuse go last, in transactions of their own.
 * @throws Temporary when Consul cannot be reached: then the outcome of one transaction is not known.
 */
export async function transactInBatches<T>(consul: Consul, batch: Batch<T>): Promise<Batched<T>> {
  const { aside, ...first } = await sendAll(consul, batch, batch.items, false)
  if (aside.length === 0) return first
  const { done, refused, unusable, hindrance } = await sendAll(consul, batch, aside, true)
  return { done: [...first.done, ...done], refused: [...first.refused, ...refused], unusable, hindrance }
}

/** @param others whether it is the turn of those that newer agents refuse; otherwise they are left `aside` */
async function sendAll<T>(consul: Consul, batch: Batch<T>, all: readonly T[], others: boolean) {
  const result = { done: [] as T[], refused: [] as T[], unusable: [] as T[], aside: [] as T[] }
  let hindrance: RefusedKey | null = null
  for (let queue = [...all]; queue.length > 0; ) {
    const next = fill(queue, batch, others)
    result.aside.push(...next.skipped)
    const sent = next.items.length > 0 ? await send(consul, batch, next, others) : []
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

/** One transaction. @returns 'done', or the items that stood in the way, or that the agent takes no keys of them */
async function send<T>(
  consul: Consul,
  batch: Batch<T>,
  { items, operations, owners }: Filled<T>,
  others: boolean,
): Promise<'done' | readonly T[] | RefusedKey> {
  const extra = batch.extra?.(items) ?? []
  const along = others ? extra : extra.filter(operation => !isRefusable([operation]))
  const alone = extra.filter(operation => !along.includes(operation))
  const sent = transact(consul, [...operations, ...along])
  const outcome = await (others ? sent.catch(asRefusedKey) : sent)
  if (outcome instanceof RefusedKey) return outcome
  if (!outcome.done) {
    const dropped = new Set(owners.filter((_, position) => outcome.failed.has(position)))
    if (dropped.size > 0) return [...dropped]
    throw new Temporary('cannot complete a transaction: Consul refused what carries no condition; it is tried again')
  }
  await batch.onDone?.(items, outcome.entries)
  if (alone.length > 0) await unlessRefused(transact(consul, alone), null)
  return 'done'
}

function asRefusedKey(error: unknown): RefusedKey {
  if (error instanceof RefusedKey) return error
  throw error
}

/** Of one transaction, in base64: Consul takes 512 KiB in all (seen on 1.8.7). */
const mostBytes = 400 * 1024

interface Filled<T> {
  readonly items: readonly T[]
  readonly operations: readonly Operation[]
  /** Whose each operation is. */
  readonly owners: readonly T[]
  /** Those that must not stand in it. */
  readonly skipped: readonly T[]
}

/** The next items whose operations fit into one transaction. */
function fill<T>(queue: readonly T[], batch: Batch<T>, others: boolean): Filled<T> {
  const room = transactionLimit - (batch.extraRoom ?? 0)
  const items: T[] = []
  const operations: Operation[] = []
  const owners: T[] = []
  const skipped: T[] = []
  let bytes = 0
  for (const item of queue) {
    const own = batch.operations(item)
    if (!others && isRefusable(own)) {
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

/** What a transaction left at a key: the last of its entries there. */
export function lastEntry(entries: readonly Entry[], key: string): Entry | undefined {
  return entries.findLast(entry => entry.key === key)
}
