/**
 * Makes sure that a look is complete. Consul silently omits keys that the token may not read, and an omitted partition would
 * look like a removed one: its process would be stopped. So each key that another key implies and that is missing is asked
 * for outright. That is seldom needed: while a partition is being removed, or an instance leaves.
 */

import type { Consul } from '../consul/http.ts'
import { mustBeReadable } from '../consul/kv.ts'
import type { Cluster } from './cluster.ts'

/** What the looking instance knows by itself: its own name, and the partitions that it has an acquisition of. */
export interface Expected {
  readonly partitions: readonly string[]
  readonly instances: readonly string[]
}

/** What of a look tells of more than it shows. */
type Shown = Pick<Cluster, 'service' | 'keys' | 'registered' | 'members' | 'partitions' | 'locks'>

/** @throws Denied when the look lacks something because the token may not read it */
export async function mustBeComplete(consul: Consul, cluster: Shown, own: Expected): Promise<void> {
  const keys = lackingKeys(cluster, own)
  if (keys.length > 0) await mustBeReadable(consul, keys)
  const { service, registered } = cluster
  const nodes = nodesOf(lackingInstances(cluster, own))
  if (nodes.length === 0 && registered.length > 0) return
  const { mustHave } = await import('../consul/access.ts')
  await mustHave(consul, `read the instances of ${service}`, [
    { resource: 'service', access: 'read', of: service },
    ...nodes.map(of => ({ resource: 'node', access: 'read', of }) as const),
  ])
}

/** Pure: a partition has a lock, a lock has a partition, and an acquisition has both. */
export function lackingKeys({ keys, partitions, locks }: Shown, own: Expected): string[] {
  const unpaired = [...partitions].filter(id => !locks.has(id))
  const left = [...locks.keys()].filter(id => !partitions.has(id))
  const forgotten = own.partitions.filter(id => !partitions.has(id) && !locks.has(id))
  return [
    ...unpaired.map(keys.lock),
    ...left.map(keys.partition),
    ...[...new Set(forgotten)].flatMap(id => [keys.partition(id), keys.lock(id)]),
  ]
}

/** Pure: a session hangs on the registered check of its instance, so whoever holds a member key is registered. */
export function lackingInstances(
  { members, registered }: Pick<Shown, 'members' | 'registered'>,
  own: Expected,
): string[] {
  const known = new Set(registered.map(({ instance }) => instance))
  const expected = new Set([...members.map(({ instance }) => instance), ...own.instances])
  return [...expected].filter(instance => !known.has(instance))
}

/** A member key may bear any name. */
function nodesOf(instances: readonly string[]): string[] {
  return [...new Set(instances.map(instance => instance.slice(0, Math.max(0, instance.lastIndexOf(':')))))]
}
