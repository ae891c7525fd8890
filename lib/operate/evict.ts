/** Removes dead instances and nodes from Consul for good. Their locks are never marked clean: each keeps its takeover wait. */

import { Permanent } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import { partsOf } from '../base/names.ts'
import { listed } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { nodeState } from '../consul/instances.ts'
import { base64, entriesAt, transact } from '../consul/kv.ts'
import { destroySession, sessionName, sessionsOn } from '../consul/session.ts'
import { recorded } from '../keys/asked.ts'
import { memberIn } from '../keys/member.ts'
import { forgetPublished } from '../keys/published.ts'
import { knownServices } from '../keys/services.ts'
import { changeSettings, withoutDrain } from '../keys/settings.ts'
import { leaveTerms, longest } from '../keys/terms.ts'
import type { Cluster } from '../look/cluster.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
import type { Terms } from '../state/local.ts'

/** An instance to evict, and the look at its service. */
export interface Evicted {
  readonly cluster: Cluster
  readonly instance: string
}

export interface Eviction {
  /** The instance or node that was named. */
  readonly name: string
  readonly instances: readonly Evicted[]
  /** A dead node to remove from Consul's gossip and catalog too; null for none. */
  readonly node: string | null
}

/** @throws Permanent when the instance is not known, or lives and `force` is not given */
export function instanceEviction(cluster: Cluster, instance: string, force: boolean): Eviction {
  const { node } = partsOf(instance)
  if (!instancesIn(cluster).includes(instance) && !cluster.settings.drained.includes(instance)) {
    const there = cluster.registered.map(({ instance }) => instance).join(', ') || 'none'
    throw new Permanent(`cannot evict ${instance}: ${cluster.service} has no such instance; there are: ${there}`)
  }
  if (!force) mustBeDead(cluster, instance)
  const dead = cluster.registered.some(one => one.node === node && !one.nodeAlive)
  return { name: instance, instances: [{ cluster, instance }], node: dead ? node : null }
}

/** All instances on a node, of all services. @throws Permanent when Consul knows no such node, or it lives without `force` */
export async function nodeEviction(consul: Consul, node: string, force: boolean): Promise<Eviction> {
  const state = await nodeState(consul, node)
  const clusters = await Promise.all((await knownServices(consul)).map(service => lookAtCluster(consul, service)))
  const instances = clusters.flatMap(cluster =>
    instancesIn(cluster).flatMap(instance => (partsOf(instance).node === node ? { cluster, instance } : [])),
  )
  if (state === null && instances.length === 0)
    throw new Permanent(`cannot evict ${node}: Consul knows no such node; see consul members`)
  if (state === 'alive' && !force)
    throw new Permanent(`cannot evict ${node}: it lives; run leave there, or say --force`)
  return { name: node, instances, node: state === 'alive' ? null : node }
}

/** The instances that are registered or hold their member key. */
function instancesIn({ registered, members }: Cluster): string[] {
  return [...new Set([...registered, ...members].map(({ instance }) => instance))].sort()
}

function mustBeDead({ registered, members }: Cluster, instance: string): void {
  const seen = registered.find(candidate => candidate.instance === instance)
  if (members.some(member => member.instance === instance) || seen?.passing) {
    throw new Permanent(`cannot evict ${instance}: it lives; run leave there, or say --force to take its session away`)
  }
  if (seen?.nodeAlive) {
    const why = 'its agent lives, and would register it again'
    throw new Permanent(`cannot evict ${instance}: ${why}; run leave there, or say --force`)
  }
}

/** The eviction in one line, for people. */
export function evictionLine({ name, instances, node }: Eviction): string {
  const whose = listed(instances.map(({ instance, cluster }) => (instance === name ? cluster.service : instance)))
  return `${name} (${whose || 'no instance'})${node === null ? '' : `, and ${node} from Consul`}`
}

/** @throws Temporary when Consul fails midway: running it again finishes it */
export async function evict(consul: Consul, { instances, node }: Eviction): Promise<void> {
  for (const { cluster, instance } of instances) await evictInstance(consul, cluster, instance)
  if (node !== null) await forceLeave(consul, node)
}

/**
 * Deregisters the instance, destroys its session (which frees its locks, unclean), and removes what it has below
 * watchbill/.
 */
async function evictInstance(consul: Consul, cluster: Cluster, instance: string): Promise<void> {
  const { keys, service } = cluster
  const { node, serviceId } = partsOf(instance)
  await leaveTerms(consul, keys, await termsOfEvicted(consul, cluster, instance))
  for (const session of await sessionsOn(consul, node)) {
    if (session.Name === sessionName(instance)) await destroySession(consul, session)
  }
  await deregister(consul, { Node: node, ServiceID: serviceId })
  const named = [keys.member, keys.report, keys.proposal, keys.render].map(key => key(instance))
  const own = [...named, ...keys.wakes(instance)]
  await transact(
    consul,
    own.map(Key => ({ Verb: 'delete', Key })),
  )
  await forgetPublished(consul, service, instance)
  await forgetDrain(consul, keys, instance)
  await transact(consul, [
    { Verb: 'set', Key: keys.look, Value: base64(JSON.stringify({ evicted: instance, service })) },
    ...(await recorded(consul, keys, [{ what: 'evicted', instance }])),
  ])
}

/** The longest lease and grace of its acquisitions. Its member key is deleted, but contenders need them for the takeover wait. */
async function termsOfEvicted(consul: Consul, { keys, locks }: Cluster, instance: string): Promise<Terms> {
  const members = await entriesAt(consul, [keys.member(instance)])
  const held = [...locks.values()].flatMap(({ held }) => (held?.instance === instance ? [held] : []))
  return longest([...members.map(({ value }) => memberIn(value)), ...held])
}

async function forgetDrain(consul: Consul, keys: Keys, instance: string): Promise<void> {
  await changeSettings(consul, keys, settings => withoutDrain(settings, [instance]))
}

/**
 * Removes a node from Consul's gossip, which would otherwise try to reach it for three days, and from the catalog. `consul
 * members` still lists it as left: a node that is pruned from that list too cannot come back for minutes (seen on 1.8.7).
 */
async function forceLeave(consul: Consul, node: string): Promise<void> {
  await consul.request('PUT', `/v1/agent/force-leave/${encodeURIComponent(node)}`)
  await deregister(consul, { Node: node })
}

async function deregister(consul: Consul, what: { readonly Node: string; readonly ServiceID?: string }): Promise<void> {
  await consul.request('PUT', '/v1/catalog/deregister', {
    body: JSON.stringify(what),
    on: what.ServiceID ?? `node ${what.Node}`,
  })
}
