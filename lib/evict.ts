/** Taking a dead instance's name out of Consul for good. Its locks are never marked clean: each has its takeover wait. */
import type { Consul } from './consul/http.ts'
import { base64, transact } from './consul/kv.ts'
import { destroySession, sessionName, sessionsOn } from './consul/session.ts'
import { Permanent } from './errors.ts'
import { partsOf } from './instance-args.ts'
import type { Keys } from './names.ts'
import { changeSettings } from './settings.ts'
import type { Cluster } from './snapshot.ts'

export interface Eviction {
  readonly instance: string
  /** What was, or would be, done, one clause each. */
  readonly steps: readonly string[]
}

/** @throws Permanent when the instance is not known, or lives and `force` is not given */
export function checkEviction(cluster: Cluster, instance: string, force: boolean): void {
  const registered = cluster.registered.find(candidate => candidate.instance === instance)
  const member = cluster.members.find(candidate => candidate.instance === instance)
  if (!registered && !member && !cluster.settings.drained.includes(instance)) {
    const there = cluster.registered.map(({ instance }) => instance).join(', ') || 'none'
    throw new Permanent(`cannot evict ${instance}: ${cluster.service} has no such instance; there are: ${there}`)
  }
  if (!force && (member || registered?.passing)) {
    throw new Permanent(`cannot evict ${instance}: it lives; run leave there, or say --force to take its session away`)
  }
}

/**
 * Deregisters the instance, destroys its session (which frees its locks, unclean), and removes what it has below
 * watchbill/. Consul's own membership goes too when nothing else of the node is registered.
 */
export async function evict(consul: Consul, { keys, service }: Cluster, instance: string): Promise<void> {
  const { node, serviceId } = partsOf(instance)
  for (const session of await sessionsOn(consul, node)) {
    if (session.Name === sessionName(instance)) await destroySession(consul, session.ID)
  }
  const body = JSON.stringify({ Node: node, ServiceID: serviceId })
  await consul.request('PUT', '/v1/catalog/deregister', { body })
  const own = [keys.member(instance), keys.report(instance), ...keys.wakes(instance)]
  await transact(
    consul,
    own.map(Key => ({ Verb: 'delete', Key })),
  )
  await forgetDrain(consul, keys, instance)
  await transact(consul, [
    { Verb: 'set', Key: keys.joined, Value: base64(JSON.stringify({ evicted: instance, service })) },
  ])
}

async function forgetDrain(consul: Consul, keys: Keys, instance: string): Promise<void> {
  await changeSettings(consul, keys, settings => ({
    ...settings,
    drained: settings.drained.filter(one => one !== instance),
  }))
}

/** Takes a dead node out of Consul's gossip too, so that it does not stay in the list of members as failed. */
export async function forceLeave(consul: Consul, node: string): Promise<void> {
  await consul.request('PUT', `/v1/agent/force-leave/${encodeURIComponent(node)}`)
}
