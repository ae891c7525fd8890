/** Ends a freeze by hand. Those who are lost now do not freeze the service again by themselves, until they have been back. */

import { Temporary } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import { transact } from '../consul/kv.ts'
import { recorded } from '../keys/asked.ts'
import { thawing } from '../keys/freeze.ts'
import { lookAtCluster } from '../look/read-cluster.ts'

/** @returns whether it was frozen before @throws Temporary when others keep changing it, or Consul is away */
export async function thawByHand(consul: Consul, service: string, dryRun: boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const { keys, freeze, away } = await lookAtCluster(consul, service)
    if (freeze?.frozen !== true) return false
    if (dryRun) return true
    const event = await recorded(consul, keys, [{ what: 'thawed' }])
    if ((await transact(consul, [...thawing(keys, freeze, away), ...event])).done) return true
  }
  throw new Temporary(`cannot thaw ${service}: others keep changing its freeze; try again`)
}
