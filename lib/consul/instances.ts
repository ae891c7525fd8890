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

/**
 * The index of the last change of a service: of its registrations or their health. Changes of other services do not
 * change it (seen on 1.8.7). The filter matches no instance, so that the answer is only two bytes.
 * @throws Temporary when the answer is not Consul's
 */
export async function healthIndex(consul: Consul, service: string): Promise<string> {
  const nobody = encodeURIComponent('Service.ID == ""')
  const path = `/v1/health/service/${encodeURIComponent(service)}?consistent&filter=${nobody}`
  const { index } = await consul.request('GET', path)
  if (index === null) {
    throw new Temporary(`cannot read the instances of ${service}: the answer is not Consul's; it is tried again`)
  }
  return index
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
