/** Pins partitions to an instance by hand, and takes pins back: writes `spec/placement`, which every instance watches. */

import { Permanent } from '../base/errors.ts'
import { listed } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { changePlacement, noPlacement, type PlacementInForce } from '../keys/placement.ts'
import type { Cluster } from '../look/cluster.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
import { mustBePartitions } from '../program/operator.ts'
import { place } from '../roster/place.ts'

export interface Pin {
  readonly service: string
  readonly partitions: readonly string[]
  /** Null to take the pins back. */
  readonly instance: string | null
  readonly dryRun: boolean
}

/**
 * @returns the partitions whose pin changes
 * @throws Permanent when an id is no partition, there is no such instance, or a hard rule refuses it: then nothing is changed;
 * Temporary when Consul is away
 */
export async function changePins(consul: Consul, { service, partitions, instance, dryRun }: Pin): Promise<string[]> {
  const cluster = await lookAtCluster(consul, service)
  const before = cluster.placement?.pins ?? new Map<string, string>()
  const known = instance === null ? new Set([...cluster.partitions, ...before.keys()]) : cluster.partitions
  mustBePartitions(instance === null ? 'unpin' : 'pin', service, known, partitions)
  if (instance !== null) mustBePossible(cluster, partitions, instance)
  const changed = partitions.filter(id => (before.get(id) ?? null) !== instance)
  if (dryRun || changed.length === 0) return changed
  await changePlacement(consul, cluster.keys, placement => pinned(placement ?? noPlacement, partitions, instance))
  return changed
}

/** The partitions that are pinned, for a pattern of `unpin`. */
export async function pinnedNow(consul: Consul, service: string): Promise<readonly string[]> {
  return [...((await lookAtCluster(consul, service)).placement?.pins.keys() ?? [])]
}

function pinned(placement: PlacementInForce, partitions: readonly string[], instance: string | null): PlacementInForce {
  const pins = new Map(placement.pins)
  for (const id of partitions) {
    if (instance === null) pins.delete(id)
    else pins.set(id, instance)
  }
  return { ...placement, pins }
}

/** A pin overrides no hard rule: one that could not be kept is refused at once. Limits are not: others may make room. */
function mustBePossible(cluster: Cluster, partitions: readonly string[], instance: string): void {
  const { service, members, registered, placement, traits } = cluster
  const instances = [...new Set([...members, ...registered].map(one => one.instance))].sort()
  if (!instances.includes(instance)) {
    const there = instances.join(', ') || 'none'
    throw new Permanent(`cannot pin to ${instance}: ${service} has no such instance; there are: ${there}`)
  }
  const member = members.find(one => one.instance === instance)
  if (member === undefined || !placement || placement.unknown) return
  const alone = { ...member, maxPartitions: null, maxCost: Number.POSITIVE_INFINITY }
  for (const id of partitions) {
    const rules = { ...placement.rules, apart: [] }
    const none = new Map<string, string>()
    const asked = { members: [alone], partitions: [id], holders: none, avoided: none, rules, pins: none, traits }
    const why = place(asked).unplaced.get(id)
    if (why !== undefined)
      throw new Permanent(
        `cannot pin ${id} to ${instance}: it ${why.replace(/^1 member /, '')}; see watchbill placement`,
      )
  }
}

export function pinLine({ instance, dryRun }: Pin, changed: readonly string[]): string {
  const what = instance === null ? 'no longer pinned' : `pinned to ${instance}`
  return `${dryRun ? 'would be ' : ''}${what}: ${listed(changed) || 'none: all were so before'}`
}
