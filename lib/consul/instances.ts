/** The registered instances of a service, from the catalog on Consul's servers. */
import { reason, Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import { type Registered, registeredFrom } from './health.ts'
import type { Consul } from './http.ts'

/** @throws Temporary when the answer is not Consul's: such an answer must not look like an empty cluster */
export async function registeredInstances(consul: Consul, service: string): Promise<Registered[]> {
  return (await registeredNow(consul, service)).registered
}

/** The same, with the index of their last change: see `healthIndex`. @param large the answer is */
export async function registeredNow(consul: Consul, service: string, large = false) {
  const path = `/v1/health/service/${encodeURIComponent(service)}?consistent`
  const answer = await consul.request('GET', path, { large })
  if (answer.index === null) {
    throw new Temporary(`cannot read the instances of ${service}: the answer is not Consul's; it is tried again`)
  }
  const services = parse(path, answer.text)
  try {
    return { registered: registeredFrom(services, service), index: answer.index }
  } catch (error) {
    throw new Temporary(`cannot read the instances of ${service}: ${reason(error)}; it is tried again`)
  }
}

/** One instance, as the catalog names it. */
export interface Registration {
  readonly node: string
  readonly serviceId: string
}

/**
 * The index of the last change of a service: of its registrations or their health. Changes of other services do not
 * change it (seen on 1.8.7). Only one instance is asked for, so that the answer is small.
 * @returns null when that one is not shown: it is gone, or the token may no longer read it
 * @throws Temporary when the answer is not Consul's
 */
export async function healthIndex(
  consul: Consul,
  service: string,
  { node, serviceId }: Registration,
): Promise<string | null> {
  if (/["\\`]/.test(node + serviceId)) return null // a filter could not name it
  const own = encodeURIComponent(`Node.Node == "${node}" and Service.ID == "${serviceId}"`)
  const path = `/v1/health/service/${encodeURIComponent(service)}?consistent&filter=${own}`
  const { index, text } = await consul.request('GET', path)
  if (index === null) {
    throw new Temporary(`cannot read the instances of ${service}: the answer is not Consul's; it is tried again`)
  }
  const shown = parse<unknown>(path, text)
  return Array.isArray(shown) && shown.length > 0 ? index : null
}

/** Whether Consul's gossip finds a node alive; null when the catalog has no such node. @throws Temporary as above */
export async function nodeState(consul: Consul, node: string): Promise<'alive' | 'dead' | null> {
  const path = `/v1/health/node/${encodeURIComponent(node)}?consistent`
  const answer = await consul.request('GET', path)
  const checks = parse<unknown>(path, answer.text)
  if (answer.index === null || !Array.isArray(checks) || !checks.every(check => typeof check?.CheckID === 'string')) {
    throw new Temporary(`cannot read the checks of ${node}: the answer is not Consul's; it is tried again`)
  }
  if (checks.length === 0) return null
  return checks.some(({ CheckID, Status }) => CheckID === 'serfHealth' && Status === 'passing') ? 'alive' : 'dead'
}

/**
 * The nodes that Consul's gossip takes for failed: node -> the ModifyIndex of that. A node that comes back, and fails again, has
 * another one. @throws Temporary as above
 */
export async function failedNodes(consul: Consul): Promise<Map<string, number>> {
  const path = '/v1/health/state/critical?consistent'
  const answer = await consul.request('GET', path)
  const checks = parse<unknown>(path, answer.text)
  const isCheck = (check: Record<string, unknown> | null) =>
    typeof check?.CheckID === 'string' && typeof check.Node === 'string' && Number.isSafeInteger(check.ModifyIndex)
  if (answer.index === null || !Array.isArray(checks) || !checks.every(isCheck))
    throw new Temporary(`cannot read which nodes have failed: the answer is not Consul's; it is tried again`)
  const failed = checks.filter(({ CheckID, Status }) => CheckID === 'serfHealth' && Status === 'critical')
  return new Map(failed.map(({ Node, ModifyIndex }) => [Node, ModifyIndex]))
}

/** Serf's number for a member that is alive. */
const alive = 1

/** The nodes that the agent which is asked hears alive itself. @throws Temporary when the answer is not Consul's */
export async function heardNodes(consul: Consul): Promise<Set<string>> {
  const members = await consul.json<unknown>('GET', '/v1/agent/members')
  if (!Array.isArray(members) || !members.every(one => typeof one?.Name === 'string'))
    throw new Temporary(`cannot read the members of the gossip: the answer is not Consul's; it is tried again`)
  return new Set(members.flatMap(({ Name, Status }) => (Status === alive ? [Name] : [])))
}
