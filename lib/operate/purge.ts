/** Removes a service from Consul after its last instance is gone: its set, its settings, its locks. */

import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { Permanent, Temporary } from '../base/errors.ts'
import { shellWord } from '../base/printable.ts'
import { listed } from '../base/text.ts'
import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { type Entry, trees } from '../consul/kv.ts'
import { waitOf } from '../keys/lock.ts'
import { forgetPublished } from '../keys/published.ts'
import { forgetScheduler } from '../keys/scheduler-memory.ts'
import type { Cluster } from '../look/cluster.ts'
import { lookAtCluster } from '../look/read-cluster.ts'

/** A lock that was not given back, or is missing: its last holder may still run until the takeover wait is over. */
interface Unclean {
  readonly partition: string
  /** The lock's ModifyIndex; 0 when the key is missing. */
  readonly index: number
  /** ms */
  readonly wait: number
}

/** How often to look at the locks while waiting, ms. */
const poll = 1000

/**
 * @param onWait called with a line when there is something to wait for
 * @returns how many keys were deleted
 * @throws Permanent while anything of the service runs or could be started; Temporary when Consul is away, or an instance
 * came back meanwhile. No instance used the keys that were deleted until then.
 */
export async function purge(consul: Consul, service: string, onWait: (line: string) => void): Promise<number> {
  const { keys, index } = await unattended(consul, service, onWait)
  const entries = await trees(consul, [keys.root])
  // These entries are newer than the last look: do not delete a lock that was taken since that look.
  const isNew = ({ key, modifyIndex }: Entry) => key.startsWith(keys.locks) && modifyIndex > index
  if (entries.some(entry => entry.session !== null || isNew(entry)))
    throw new Temporary(
      `cannot purge ${service}: somebody came back meanwhile; see watchbill status ${service}, then again`,
    )
  // The revision comes last: keys that are left without it look like a set that was lost, for which nobody stops anything.
  const isRevision = ({ key }: Entry) => key === keys.revision
  const ordered = [...entries.filter(entry => !isRevision(entry)), ...entries.filter(isRevision)]
  const { done, refused, hindrance } = await transactInBatches(consul, {
    items: ordered,
    // Only if unchanged: a lock that somebody takes, or a key that somebody writes, stays.
    operations: ({ key, modifyIndex }) => [{ Verb: 'delete-cas', Key: key, Index: modifyIndex }],
  })
  if (hindrance) throw hindrance
  const left = (await trees(consul, [keys.root])).length
  if (left > 0 || refused.length > 0)
    throw new Temporary(
      `cannot purge ${service}: ${left} keys were written meanwhile; see watchbill status ${shellWord(service)}, then try again`,
    )
  await forgetPublished(consul, service, null)
  await forgetScheduler(consul, service)
  return done.length
}

/** How many keys would be deleted; does not wait. @throws as `purge` */
export async function purgeable(consul: Consul, service: string): Promise<number> {
  const cluster = await lookAtCluster(consul, service)
  mustBeGone(cluster)
  return (await trees(consul, [cluster.keys.root])).length
}

/** Waits until no process of an earlier holder can run any more. @returns the last look */
async function unattended(consul: Consul, service: string, onWait: (line: string) => void): Promise<Cluster> {
  const since = new Map<string, number>()
  for (let told = false; ; await delay(poll)) {
    const cluster = await lookAtCluster(consul, service)
    const now = bootClock()
    mustBeGone(cluster)
    const left = uncleanIn(cluster).map(({ partition, index, wait }) => {
      const one = `${partition} ${index}`
      const seen = since.get(one) ?? now
      since.set(one, seen)
      return { partition, ms: seen + wait - now }
    })
    const waiting = left.filter(({ ms }) => ms > 0)
    if (waiting.length === 0) return cluster
    const longest = Math.max(...waiting.map(({ ms }) => ms))
    if (!told) onWait(`waits ${seconds(longest)}: ${listed(waiting.map(one => one.partition))} may run until then`)
    told = true
  }
}

/** Pure. @throws Permanent that names what is still there and the next step */
export function mustBeGone({ service, registered, members, locks }: Cluster): void {
  const refuse = (why: string, todo: string) => new Permanent(`cannot purge ${service}: ${why}; ${todo}`)
  const living = [...registered.filter(({ nodeAlive }) => nodeAlive), ...members].map(({ instance }) => instance)
  const names = (all: readonly string[]) => listed([...new Set(all)].sort())
  if (living.length > 0) {
    const todo = `run watchbill leave ${shellWord(service)} on its machine, then watchbill configure --remove and consul reload`
    throw refuse(`${names(living)} is there`, todo)
  }
  const dead = registered.map(({ instance }) => instance)
  if (dead.length > 0)
    throw refuse(
      `${names(dead)} is registered, and its node is dead`,
      `run watchbill evict ${shellWord(service)} ${shellWord(dead[0] ?? '')}`,
    )
  const held = [...locks].flatMap(([id, { session }]) => (session === null ? [] : [id]))
  if (held.length > 0) throw refuse(`${listed(held)} is held by a session`, 'it ends with its session; then try again')
}

/** Pure. */
export function uncleanIn({ partitions, locks, terms }: Pick<Cluster, 'partitions' | 'locks' | 'terms'>): Unclean[] {
  const missing = [...partitions].filter(id => !locks.has(id))
  return [
    ...[...locks].flatMap(([partition, lock]) =>
      lock.clean ? [] : [{ partition, index: lock.modifyIndex, wait: waitOf(lock, terms) }],
    ),
    ...missing.map(partition => ({ partition, index: 0, wait: waitOf(null, terms) })),
  ]
}
