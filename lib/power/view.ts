/** One look at all services, for whether a machine is to be powered off. */
import { bootClock } from '../base/clock.ts'
import type { Consul } from '../consul/http.ts'
import { failedNodes, heardNodes } from '../consul/instances.ts'
import { trees } from '../consul/kv.ts'
import { isRefusal } from '../consul/permission.ts'
import { type Boot, bootsIn, type Power, readPower, unsafeRecords } from '../keys/power.ts'
import { knownServices } from '../keys/services.ts'
import type { Cluster } from '../look/cluster.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
import type { View } from './decide.ts'
import { locksOfNode, type NodeLocks } from './locks.ts'

export interface Seen {
  readonly view: View
  readonly locks: (node: string) => readonly NodeLocks[]
  readonly boots: readonly Boot[]
  /** Services that the token may not read: nothing is done for them. */
  readonly hidden: readonly string[]
}

/** @throws Temporary when any part cannot be read; Denied when the token may not read `watchbill/.power/` */
export async function see(consul: Consul, own: string): Promise<Seen> {
  const failed = await failedNodes(consul)
  const [now, wall] = [bootClock(), Date.now()]
  const { clusters, boots, power, hidden } = await readServices(consul)
  const heard = await heardNodes(consul).catch(none)
  const locks = (node: string) => locksOfNode(clusters, node)
  const frozen = (node: string) => locks(node).flatMap(({ service, frozen }) => (frozen ? [service] : []))
  const count = (node: string) => locks(node).reduce((sum, one) => sum + one.locks.length, 0)
  const nodes = [...failed.keys()]
  const view: View = {
    ...{ now, wall, own, failed, heard, power },
    locks: new Map(nodes.map(node => [node, count(node)])),
    frozen: new Map(nodes.map(node => [node, frozen(node)])),
    unsafe: unsafeRecords(power, boots).map(({ node }) => node),
  }
  return { view, locks, boots, hidden }
}

/** What stands in Consul of all services, and of machines that were powered off. */
export async function readServices(consul: Consul) {
  const power: Power = await readPower(consul)
  const looks = await Promise.all((await knownServices(consul)).map(service => lookAt(consul, service)))
  const found = looks.filter(look => typeof look !== 'string')
  const hidden = looks.filter(look => typeof look === 'string')
  return {
    ...{ power, hidden },
    clusters: found.map(({ cluster }) => cluster),
    boots: found.flatMap(({ boots }) => boots),
  }
}

/** The name of a service that the token may not read. */
async function lookAt(consul: Consul, service: string): Promise<{ cluster: Cluster; boots: Boot[] } | string> {
  try {
    const cluster = await lookAtCluster(consul, service)
    const { members } = cluster.keys
    return { cluster, boots: bootsIn(await trees(consul, [members]), members) }
  } catch (error) {
    if (isRefusal(error)) return service
    throw error
  }
}

/** The token may not ask the agent: then only Consul's own word counts. */
function none(error: unknown): Set<string> {
  if (isRefusal(error)) return new Set()
  throw error
}
