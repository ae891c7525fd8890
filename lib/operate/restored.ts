/**
 * After a Consul backup was restored: raises the epoch, since fencing tokens must keep growing although Consul's indexes start
 * low again, and ends the drains, so that work begins again.
 */

import { Permanent, Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { listed } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { changeSettings, defaults, epochOf, highestEpoch, type Settings, settingsFrom } from '../keys/settings.ts'
import type { Cluster } from '../look/cluster.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
import { readFact } from '../state/facts.ts'
import { identityOf, localInstances } from '../state/identity.ts'
import { instanceFiles, localPartitions } from '../state/paths.ts'

export interface Restored {
  readonly service: string
  /** The new epoch. */
  readonly epoch: number
  /** Instances whose drain was ended. */
  readonly undrained: readonly string[]
}

/**
 * What would be done. @param state the state directory, which may know a higher epoch than an old backup
 * @throws Permanent while anything runs, or when there is no higher epoch
 */
export async function restoring(consul: Consul, service: string, state: string): Promise<Restored & { keys: Keys }> {
  const cluster = await lookAtCluster(consul, service)
  mustBeStopped(cluster)
  const epoch = Math.max(cluster.settings.epoch, epochHere(state, service)) + 1
  if (epoch > highestEpoch)
    throw new Permanent(`cannot raise the epoch of ${service}: ${highestEpoch} is the last one; give it another name`)
  return { service, epoch, undrained: cluster.settings.drained, keys: cluster.keys }
}

/** Raises the epoch, ends the drains and wakes everybody, in one transaction. @throws also Temporary: run it again */
export async function restored(consul: Consul, service: string, state: string): Promise<Restored> {
  const { keys, epoch, undrained } = await restoring(consul, service, state)
  const change = (settings: Settings) => ({ ...settings, drained: [], epoch: Math.max(settings.epoch, epoch) })
  const { settings } = await changeSettings(consul, keys, change)
  const early = takenEarly(await lookAtCluster(consul, service), settings.epoch)
  if (early.length > 0)
    throw new Temporary(
      `cannot vouch for the tokens of ${service}: ${listed(early)} was taken while the epoch was raised; hold and unhold it`,
    )
  return { service, epoch: settings.epoch, undrained }
}

/** Pure. @throws Permanent */
export function mustBeStopped({ service, locks }: Pick<Cluster, 'service' | 'locks'>): void {
  const held = [...locks].flatMap(([id, { session }]) => (session === null ? [] : [id]))
  if (held.length === 0) return
  const todo = `drain every instance (watchbill drain ${shellWord(service)} INSTANCE), wait until watchbill status shows that nothing runs`
  throw new Permanent(`cannot say that ${service} was restored: ${listed(held)} runs, or may run; ${todo}`)
}

/** Pure: partitions whose holder has a token of an older epoch. */
export function takenEarly({ locks }: Pick<Cluster, 'locks'>, epoch: number): string[] {
  return [...locks].flatMap(([id, lock]) => (lock.session !== null && lock.epoch < epoch ? [id] : []))
}

/** The highest epoch that instances of the service used on this machine; 0 when there are none. */
function epochHere(state: string, service: string): number {
  const own = localInstances(state).map(instance => instanceFiles(state, instance))
  const epochs = own.flatMap(files => {
    if (identityOf(files)?.service !== service) return []
    const tokens = localPartitions(files).flatMap(id => readFact(files.partition(id).token) ?? [])
    return [
      settingsFrom(readFact(files.settings), defaults).settings.epoch,
      ...tokens.map(epochOf).filter(Number.isFinite),
    ]
  })
  return Math.max(0, ...epochs)
}
