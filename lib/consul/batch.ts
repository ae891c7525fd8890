/** Many small conditional writes in few transactions. */
import { Temporary } from '../errors.ts'
import type { Consul } from './http.ts'
import { type Entry, type Operation, transact, transactionLimit } from './kv.ts'

export interface Batched<T> {
  readonly done: readonly T[]
  readonly refused: readonly T[]
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
 * goes again. @throws Temporary when Consul cannot be reached: then the outcome of one transaction is not known.
 */
export async function transactInBatches<T>(consul: Consul, batch: Batch<T>): Promise<Batched<T>> {
  const done: T[] = []
  const refused: T[] = []
  for (let queue = [...batch.items]; queue.length > 0; ) {
    const { items, operations, owners } = fill(queue, batch)
    const outcome = await transact(consul, [...operations, ...(batch.extra?.(items) ?? [])])
    if (outcome.done) {
      done.push(...items)
      queue = queue.slice(items.length)
      await batch.onDone?.(items, outcome.entries)
    } else {
      const dropped = new Set(owners.filter((_, position) => outcome.failed.has(position)))
      if (dropped.size === 0) {
        throw new Temporary(
          'cannot complete a transaction: Consul refused what carries no condition; it is tried again',
        )
      }
      refused.push(...dropped)
      queue = queue.filter(item => !dropped.has(item))
    }
  }
  return { done, refused }
}

/** Of one transaction, in base64: Consul takes 512 KiB in all (seen on 1.8.7). */
const mostBytes = 400 * 1024

/** The next items whose operations fit into one transaction, and whose each operation is. */
function fill<T>(queue: readonly T[], batch: Batch<T>) {
  const room = transactionLimit - (batch.extraRoom ?? 0)
  const items: T[] = []
  const operations: Operation[] = []
  const owners: T[] = []
  let bytes = 0
  for (const item of queue) {
    const own = batch.operations(item)
    bytes += own.reduce((sum, { Value = '' }) => sum + Value.length, 0)
    if (operations.length + own.length > room || (bytes > mostBytes && items.length > 0)) break
    items.push(item)
    operations.push(...own)
    owners.push(...own.map(() => item))
  }
  return { items, operations, owners }
}

/** What a transaction left at a key: the last of its entries there. */
export function lastEntry(entries: readonly Entry[], key: string): Entry | undefined {
  return entries.findLast(entry => entry.key === key)
}
