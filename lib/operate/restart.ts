/**
 * Asks for a restart from any agent: writes a key for the partition and wakes its holder, which deletes the key when it is
 * done. The key names a partition and never holds a command.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Permanent, Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { listed } from '../base/text.ts'
import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64, keysBelow } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { recorded } from '../keys/asked.ts'
import { lookAtSome, type Some } from '../look/part.ts'
import { mustBePartitions } from '../program/operator.ts'

/** Instance -> the partitions that it should restart. */
export type Holders = ReadonlyMap<string, readonly string[]>

/** @throws Permanent when an id is not a partition, or nobody runs it */
export function holdersFor({ service, members, locks, partitions }: Some, named: readonly string[]): Holders {
  mustBePartitions('restart', service, partitions, named)
  const holders = Map.groupBy(named, id => members.find(({ session }) => session === locks.get(id)?.session)?.instance)
  const idle = holders.get(undefined)
  if (idle)
    throw new Permanent(`cannot restart ${idle.join(', ')}: nobody runs it; see watchbill status ${shellWord(service)}`)
  return holders as Map<string, string[]>
}

/**
 * Asks each holder, only while it still holds the partition. Two requests before the restart cause one restart.
 * @returns the holders that were asked
 * @throws Permanent as `holdersFor`; Temporary when Consul is away, or the partitions keep moving
 */
export async function askForRestart(consul: Consul, service: string, named: readonly string[]): Promise<Holders> {
  const asked = new Map<string, readonly string[]>()
  let left = named
  for (let attempt = 0; attempt < 5 && left.length > 0; attempt++) {
    const cluster = await lookAtSome(consul, service, left)
    const refused: string[] = []
    for (const [instance, ids] of holdersFor(cluster, left)) {
      const event = await recorded(consul, cluster.keys, [{ what: 'restart asked', instance, partitions: ids }])
      const batched = await ask(consul, cluster, instance, ids, event)
      if (batched.hindrance) throw batched.hindrance
      asked.set(instance, [...(asked.get(instance) ?? []), ...batched.done])
      refused.push(...batched.refused)
    }
    left = refused
  }
  if (left.length > 0) throw new Temporary(`cannot restart ${listed(left)}: it keeps moving; try again`)
  return asked
}

function ask(
  consul: Consul,
  { keys, locks }: Some,
  instance: string,
  ids: readonly string[],
  event: readonly Operation[],
) {
  const value = base64(JSON.stringify({ at: new Date().toISOString() }))
  return transactInBatches(consul, {
    items: ids,
    operations: id => [
      { Verb: 'check-index', Key: keys.lock(id), Index: locks.get(id)?.modifyIndex as number },
      { Verb: 'set', Key: keys.restart(id), Value: value },
    ],
    extra: () => [{ Verb: 'set', Key: `${keys.wake(instance)}restart`, Value: value }, ...event],
    extraRoom: 1 + event.length,
  })
}

/** Waits until the old processes are gone. @param limit ms @throws Temporary when the time is over */
export async function restarted(consul: Consul, keys: Keys, named: readonly string[], limit: number): Promise<void> {
  const end = performance.now() + limit
  for (;;) {
    const there = new Set(await keysBelow(consul, keys.restarts))
    const left = named.filter(id => there.has(keys.restart(id)))
    if (left.length === 0) return
    if (performance.now() > end)
      throw new Temporary(
        `cannot wait longer: ${listed(left)} is still to be restarted, and will be; see watchbill status`,
      )
    await delay(100)
  }
}
