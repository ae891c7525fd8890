/**
 * Asks for a restart from any agent: writes a key for the partition and wakes its holder, which deletes the key when it is
 * done. The key names a partition and never holds a command.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Permanent, Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { listed } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { keysBelow } from '../consul/kv.ts'
import { recorded } from '../keys/asked.ts'
import { requestRestarts } from '../keys/restart.ts'
import { lookAtSome, type Some } from '../look/part.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
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

/** Those that somebody runs now, for a pattern. */
export async function runningNow(consul: Consul, service: string): Promise<readonly string[]> {
  const { partitions, locks, members } = await lookAtCluster(consul, service)
  const sessions = new Set(members.map(({ session }) => session))
  return [...partitions].filter(id => sessions.has(locks.get(id)?.session ?? ''))
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
      const batched = await requestRestarts(consul, cluster, instance, ids, event)
      if (batched.hindrance) throw batched.hindrance
      asked.set(instance, [...(asked.get(instance) ?? []), ...batched.done])
      refused.push(...batched.refused)
    }
    left = refused
  }
  if (left.length > 0) throw new Temporary(`cannot restart ${listed(left)}: it keeps moving; try again`)
  return asked
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
