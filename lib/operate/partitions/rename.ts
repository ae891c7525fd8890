/**
 * Gives a partition another id. First it is held, so that its process is stopped and its lock given back. Then one
 * transaction deletes it and its lock, and creates the new one: the two ids never exist at the same time.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../../base/clock.ts'
import { Permanent, Temporary } from '../../base/errors.ts'
import type { Keys } from '../../base/names.ts'
import { shellWords } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { base64, type Entry, entriesAt, transact } from '../../consul/kv.ts'
import type { Operation } from '../../consul/operation.ts'
import { recorded } from '../../keys/asked.ts'
import { cleanValue, type Lock, longestWait, waitOf } from '../../keys/lock.ts'
import { keyRefused, mustBeAcceptable } from '../../keys/new-ids.ts'
import { partitionFrom } from '../../keys/partition-set.ts'
import { placementFrom, placementValue } from '../../keys/placement.ts'
import { changeSettings, defaults, revisionBump, type Settings, settingsFrom } from '../../keys/settings.ts'
import type { Cluster } from '../../look/cluster.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { mustBePartitions } from '../../program/operator.ts'

interface Rename {
  readonly service: string
  readonly from: string
  readonly to: string
}

const pause = 200

export interface RenameOptions {
  /** How long to wait for the old process to stop, ms. */
  readonly limit: number
  readonly dryRun: boolean
}

/** @param ids the old id and the new one. @returns what was done, as a sentence */
export async function renamed(
  consul: Consul,
  service: string,
  ids: readonly string[],
  { limit, dryRun }: RenameOptions,
): Promise<string> {
  const [from, to, ...more] = ids
  if (from === undefined || to === undefined || more.length > 0)
    throw new Permanent('cannot read the arguments: rename takes two partitions, the old id and the new one')
  if (dryRun) mustBePossible(await lookAtCluster(consul, service), from, to)
  const held = dryRun ? false : await rename(consul, { service, from, to }, limit)
  const next = held ? `; it is held as before, watchbill unhold ${shellWords(service, to)} starts it` : ''
  return `${dryRun ? 'would rename' : 'renamed'} ${from} to ${to}; now say ${to} in the definition or the source, too${next}`
}

/**
 * If it is killed midway, the old partition stays held, and running it again finishes it.
 * @param limit ms @returns whether the new partition is held by hand, as the old one was before
 * @throws Permanent when it cannot be done; Temporary when the process does not stop in time, or Consul is away
 */
async function rename(consul: Consul, { service, from, to }: Rename, limit: number): Promise<boolean> {
  const end = bootClock() + limit
  const first = await lookAtCluster(consul, service)
  mustBePossible(first, from, to)
  const stays = first.settings.held.includes(from)
  if (!stays) {
    await changeSettings(consul, first.keys, settings => ({ ...settings, held: [...settings.held, from] }))
  }
  const free = new Unclean()
  for (;;) {
    const cluster = await lookAtCluster(consul, service)
    mustBePossible(cluster, from, to)
    const lock = cluster.locks.get(from) ?? null
    const left = free.left(cluster, lock)
    if (left === 0 && (await exchange(consul, cluster, { from, to }, stays))) return stays
    if (bootClock() + (left ?? 0) > end) throw tooLong(service, from, lock)
    await delay(Math.min(pause, left || pause))
  }
}

/** @throws Permanent */
function mustBePossible(cluster: Cluster, from: string, to: string): void {
  const { service, keys, partitions, locks, unusable } = cluster
  mustBePartitions('rename', service, partitions, [from])
  mustBeAcceptable(keys, [to])
  if (partitions.has(to)) throw new Permanent(`cannot rename ${from}: ${service} has ${to} too; choose another id`)
  if (unusable.has(from)) {
    throw new Permanent(
      `cannot rename ${from} through this agent: ${keyRefused(cluster, from)}, with --http-addr of an older agent`,
    )
  }
  if (locks.has(to))
    throw new Temporary(`cannot rename ${from}: the lock of an earlier ${to} is still there; try again`)
}

/** Measures how long an unclean lock has been free: the process of its last holder may still run. */
class Unclean {
  #index: number | null = null
  #since = 0

  /** How long the partition may still run somewhere, ms; 0 when it cannot; null while its lock is held. */
  left({ terms }: Cluster, lock: Lock | null): number | null {
    if (lock !== null && lock.session !== null) return null
    if (lock?.clean) return 0
    const index = lock?.modifyIndex ?? 0
    if (this.#index !== index) this.#since = bootClock()
    this.#index = index
    return Math.max(0, this.#since + waitOf(lock, terms) - bootClock())
  }
}

/** @returns false when something has changed since the look */
async function exchange(
  consul: Consul,
  { keys, locks }: Cluster,
  { from, to }: Pick<Rename, 'from' | 'to'>,
  stays: boolean,
): Promise<boolean> {
  const entries = await entriesAt(consul, [keys.partition(from), keys.settings, keys.placement])
  const old = entries.find(({ key }) => key === keys.partition(from))
  const held = entries.find(({ key }) => key === keys.settings)
  if (old === undefined || held === undefined) return false
  const { settings } = settingsFrom(held.value, defaults)
  if (!settings.held.includes(from)) return false
  const document = partitionFrom(old, keys)?.document
  const lock = locks.get(from)
  const outcome = await transact(consul, [
    { Verb: 'delete-cas', Key: old.key, Index: old.modifyIndex },
    // Only if the lock is still free as it was read: nobody has taken it since.
    lock === undefined
      ? { Verb: 'check-not-exists', Key: keys.lock(from) }
      : { Verb: 'delete-cas', Key: keys.lock(from), Index: lock.modifyIndex },
    ...made(keys, to, document),
    pinCarried(
      keys,
      entries.find(({ key }) => key === keys.placement),
      { from, to },
    ),
    { Verb: 'cas', Key: keys.settings, Index: held.modifyIndex, Value: base64(after(settings, from, to, stays)) },
    ...[keys.restart(from), keys.coolDown(from)].map(Key => ({ Verb: 'delete', Key }) as const),
    revisionBump(keys),
    ...(await recorded(consul, keys, [{ what: 'renamed', partitions: [from, to] }])),
  ])
  return outcome.done
}

/** Its pin goes with it. Where nobody can read the pins, or it has none, they have to be as they were read. */
function pinCarried(keys: Keys, entry: Entry | undefined, { from, to }: Pick<Rename, 'from' | 'to'>): Operation {
  if (entry === undefined) return { Verb: 'check-not-exists', Key: keys.placement }
  const { placement, problem } = placementFrom(entry.value, () => null)
  const instance = problem === null ? placement?.pins.get(from) : undefined
  const unchanged = { Key: keys.placement, Index: entry.modifyIndex }
  if (!placement || instance === undefined) return { Verb: 'check-index', ...unchanged }
  const pins = new Map([...placement.pins].filter(([id]) => id !== from)).set(to, instance)
  return { Verb: 'cas', ...unchanged, Value: base64(placementValue({ ...placement, pins })) }
}

/** `from: hand`, so that neither the definition nor the source removes it before they name the new id. */
function made(keys: Keys, id: string, document: unknown): Operation[] {
  const value = JSON.stringify({ from: 'hand', document })
  const told = document === undefined ? [] : [{ ...revisionBump(keys), Key: keys.documents }]
  return [
    { Verb: 'cas', Key: keys.partition(id), Index: 0, Value: base64(value) },
    { Verb: 'cas', Key: keys.lock(id), Index: 0, Value: base64(cleanValue(new Date().toISOString())) },
    ...told,
  ]
}

function after(settings: Settings, from: string, to: string, stays: boolean): string {
  const others = settings.held.filter(id => id !== from)
  return JSON.stringify({ ...settings, held: stays ? [...others, to] : others })
}

function tooLong(service: string, from: string, lock: Lock | null): Temporary {
  const why = lock?.session
    ? `${lock.held?.instance ?? 'somebody'} still has it`
    : `its lock was lost, and may not be taken for ${seconds(longestWait)} at most`
  return new Temporary(
    `cannot wait longer: ${why}; it stays held: the same again goes on, watchbill unhold ${shellWords(service, from)} gives up`,
  )
}
