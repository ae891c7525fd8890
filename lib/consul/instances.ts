/** The registered instances of a service, by the servers' catalog. */
import { reason, Temporary } from '../errors.ts'
import { type Registered, registeredFrom } from './health.ts'
import type { Consul } from './http.ts'
import { parse } from './json.ts'

/** @throws Temporary when the answer is not Consul's: one that looks empty must not empty the cluster */
export async function registeredInstances(consul: Consul, service: string): Promise<Registered[]> {
  const path = `/v1/health/service/${encodeURIComponent(service)}?consistent`
  const answer = await consul.request('GET', path)
  if (answer.index === null) {
    throw new Temporary(`cannot read the instances of ${service}: the answer is not Consul's; it is tried again`)
  }
  const services = parse(path, answer.text)
  try {
    return registeredFrom(services)
  } catch (error) {
    throw new Temporary(`cannot read the instances of ${service}: ${reason(error)}; it is tried again`)
  }
}
