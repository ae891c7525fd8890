/** Brings the partition set to the number in force. Instances do it, and so does whoever changes the number. */

import { Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt, transact } from '../consul/kv.ts'
import { type CountInForce, countFrom, counting, countUnchanged, idsUpTo, numberIn } from './count.ts'
import { type Freeze, freezeUnchanged } from './freeze.ts'
import { addPartitions, type Change, type Partition, removePartitions } from './partition-set.ts'

/**
 * Removes numbered partitions, the highest first, or adds some, and then notes that the set has come to the number. A partition that was
 * added by hand stays. Every write holds only while the number is as it was read, and while no freeze has begun since.
 * @param before the ids of the set
 * @returns what was changed; null when the number was changed meanwhile, or another program has brought the set to it
 * @throws Temporary when Consul is away: whoever looks next goes on
 */
export async function bringTo(
  consul: Consul,
  keys: Keys,
  count: CountInForce,
  freeze: Freeze | null,
  before: Iterable<string>,
): Promise<Change | null> {
  try {
    const there = new Set(before)
    const removed = await shrink(consul, keys, count, freeze, there)
    const added = await grow(consul, keys, count, there)
    const reached = { ...count, done: true, had: count.number, clean: true }
    const { done } = await transact(consul, counting(keys, count, reached))
    return done ? { added, removed } : null
  } catch (error) {
    if (error instanceof Temporary && (await isOver(consul, keys, count))) return null
    throw error
  }
}

async function grow(consul: Consul, keys: Keys, count: CountInForce, there: ReadonlySet<string>): Promise<string[]> {
  const only = [countUnchanged(keys, count)]
  const missing = idsUpTo(count.number).filter(id => !there.has(id))
  const isFresh = (id: string) => Number(id) >= count.had
  const add = (ids: readonly string[], clean: boolean) =>
    addPartitions(
      consul,
      keys,
      ids.map(id => ({ id })),
      'definition',
      { clean, only },
    )
  // A number that the set had already may still run where its keys were deleted by hand: it waits out the takeover wait.
  const again = await add(
    missing.filter(id => !isFresh(id)),
    false,
  )
  return [...again, ...(await add(missing.filter(isFresh), count.clean))]
}

async function shrink(
  consul: Consul,
  keys: Keys,
  count: CountInForce,
  freeze: Freeze | null,
  there: ReadonlySet<string>,
): Promise<string[]> {
  const only = [countUnchanged(keys, count), freezeUnchanged(keys, freeze)]
  const isOver = (id: string) => (numberIn(id) ?? -1) >= count.number
  const over = [...there].filter(isOver).sort((a, b) => Number(b) - Number(a))
  if (over.length === 0) return []
  return removePartitions(consul, keys, over, ({ from }: Partition) => from === 'definition', { only })
}

/** Whether the number is another one now, or the set has been brought to it. */
async function isOver(consul: Consul, keys: Keys, count: CountInForce): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keys.number])
  return countFrom(entry)?.index !== count.index
}
