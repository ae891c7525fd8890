/** Parts of a look, for operators' programs that need no more. They cost the same however many partitions there are. */
import { encode, keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { registeredInstances } from '../consul/instances.ts'
import { apartBelow, entriesAt, trees } from '../consul/kv.ts'
import { lockFrom } from '../keys/lock.ts'
import { membersFrom } from '../keys/member.ts'
import { defaults, settingsFrom } from '../keys/settings.ts'
import type { Cluster } from './cluster.ts'
import { mustBeComplete } from './complete.ts'

export type Instances = Pick<Cluster, 'service' | 'keys' | 'registered' | 'members' | 'settings'>
export type Some = Pick<Cluster, 'service' | 'keys' | 'members' | 'partitions' | 'locks'>

/** The members and the settings. @throws Temporary, Denied as `lookAtCluster` */
export async function lookAtInstances(consul: Consul, service: string): Promise<Instances> {
  const keys = keysOf(service)
  const prefixes = [keys.members, keys.spec]
  const [entries = [], spec = []] = apartBelow(await trees(consul, prefixes), prefixes)
  const registered = await registeredInstances(consul, service)
  const { settings } = settingsFrom(spec.find(({ key }) => key === keys.settings)?.value ?? null, defaults)
  const members = membersFrom(entries, keys.members, registered, settings)
  const found = { service, keys, registered, members, settings }
  await mustBeComplete(consul, { ...found, partitions: new Set(), locks: new Map() }, { partitions: [], instances: [] })
  return found
}

/** Those of these partitions that exist, their locks, and the members. @throws Temporary, Denied as `lookAtCluster` */
export async function lookAtSome(consul: Consul, service: string, ids: readonly string[]): Promise<Some> {
  const keys = keysOf(service)
  const possible = ids.filter(isId)
  const found = await entriesAt(
    consul,
    possible.flatMap(id => [keys.partition(id), keys.lock(id)]),
  )
  const at = new Map(found.map(entry => [entry.key, entry]))
  const partitions = new Set(possible.filter(id => at.has(keys.partition(id))))
  const locks = new Map(
    possible.flatMap(id => {
      const entry = at.get(keys.lock(id))
      return entry ? [[id, lockFrom(entry)] as const] : []
    }),
  )
  // Read after the locks: an instance takes its member key before any lock.
  const entries = await trees(consul, [keys.members])
  return { service, keys, partitions, locks, members: membersFrom(entries, keys.members, [], defaults) }
}

/**
 * The owner of a partition, when its lock and the member key named there agree.
 * @returns null when only a whole look can tell
 * @throws Temporary, Denied as `lookAtCluster`
 */
export async function plainOwner(consul: Consul, service: string, id: string): Promise<string | null> {
  if (!isId(id)) return null
  const keys = keysOf(service)
  const [entry] = await entriesAt(consul, [keys.lock(id)])
  const instance = entry && lockFrom(entry).held?.instance
  if (!entry?.session || instance === undefined || !isId(instance)) return null
  const [member] = await entriesAt(consul, [keys.member(instance)])
  return member?.session === entry.session ? instance : null
}

/** Any other text is the id of no partition, and cannot be a part of a key. */
function isId(text: string): boolean {
  try {
    return encode(text) !== ''
  } catch {
    return false
  }
}
