/** Gathers the input of the checks on this machine. */

import { reason } from '../../base/errors.ts'
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { refusedIds } from '../../keys/new-ids.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import type { Facts, ServiceFacts } from './facts.ts'
import { agentFacts } from './gather/agent.ts'
import { openConnections } from './gather/connections.ts'
import { installedIn } from './gather/installed.ts'
import { agentPid, consulEnvironment, hasSetpriv, unitFacts, userOf } from './gather/machine.ts'
import { powerFacts } from './gather/power.ts'

export async function gather(consul: Consul, consulDir: string): Promise<Facts> {
  const pid = agentPid(consul.address)
  const speak = (pid === null ? null : consulEnvironment(pid)) ?? process.env
  const installed = await installedIn(consulDir, speak)
  const names = new Set(installed.flatMap(({ service, problem }) => (problem === null ? [service] : [])))
  const [agent, unit, setpriv, ...services] = await Promise.all([
    agentFacts(consul),
    unitFacts(pid),
    hasSetpriv(),
    ...[...names].map(name => serviceFacts(consul, name)),
  ])
  const connections = pid === null ? null : openConnections(consul.address)
  const power = powerFacts()
  return {
    agent,
    unit,
    agentUid: pid === null ? null : userOf(pid),
    connections,
    installed,
    consulDir,
    services,
    setpriv,
    ...(power && { power }),
  }
}

async function serviceFacts(consul: Consul, service: string): Promise<Facts['services'][number]> {
  try {
    const { members, rosters, keys, partitions, locks } = await lookAtCluster(consul, service)
    const facts: ServiceFacts['members'] = members.map(({ instance, digest }) => ({ instance, digest }))
    const refused = refusedIds(keys, [...new Set([...partitions, ...locks.keys()])]).sort(byName)
    return { service, members: facts, rosters, refused }
  } catch (error) {
    return { service, unknown: reason(error) }
  }
}
