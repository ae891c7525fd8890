/** The services that watchbill keeps: one folder each below watchbill/. */

import { decode } from '../base/names.ts'
import { byName } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { foldersBelow } from '../consul/kv.ts'

/** The services that watchbill keeps in this data center. */
export async function knownServices(consul: Consul): Promise<string[]> {
  const keys = await foldersBelow(consul, 'watchbill/')
  const services = new Set(keys.flatMap(key => decode(key.split('/')[1] ?? '') ?? []))
  return [...services].sort(byName)
}
