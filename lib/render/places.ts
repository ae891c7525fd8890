/** The addresses of a service's instances, from Consul's catalog. */
import { Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import { instanceName } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import type { Place } from './input.ts'

interface RawPlace {
  readonly Node: string
  readonly Address: string
  readonly ServiceID: string
  readonly ServiceName: string
  readonly ServiceAddress?: string
  readonly ServicePort?: number
}

/** @throws Temporary when the answer is not Consul's: it must not look like instances without addresses */
export async function placesOf(consul: Consul, service: string): Promise<ReadonlyMap<string, Place>> {
  const path = `/v1/catalog/service/${encodeURIComponent(service)}?consistent`
  const { index, text } = await consul.request('GET', path)
  const found = parse<unknown>(path, text)
  if (index === null || !Array.isArray(found) || !found.every(isPlace))
    throw new Temporary(`cannot read the addresses of ${service}: the answer is not Consul's; it is tried again`)
  // Asked for `web`, Consul also answers with the instances of `Web`.
  return new Map(found.filter(({ ServiceName }) => ServiceName === service).map(placeOf))
}

function isPlace(value: RawPlace | null): value is RawPlace {
  return [value?.Node, value?.Address, value?.ServiceID].every(text => typeof text === 'string')
}

function placeOf({ Node, Address, ServiceID, ServiceAddress, ServicePort }: RawPlace): [string, Place] {
  const port = typeof ServicePort === 'number' && ServicePort > 0 ? ServicePort : null
  return [instanceName(Node, ServiceID), { address: ServiceAddress || Address, port }]
}
