/** Freezes a service by hand: nothing moves, and nobody takes what was lost, until it is thawed. */

import { Temporary } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt, transact } from '../consul/kv.ts'
import { recorded } from '../keys/asked.ts'
import { freezeFrom, freezing } from '../keys/freeze.ts'

/** @returns whether it was not frozen by hand before: what lost instances froze would thaw by itself @throws Temporary when others keep changing it, or Consul is away */
export async function freezeByHand(consul: Consul, service: string, why: string, dryRun: boolean): Promise<boolean> {
  const keys = keysOf(service)
  for (let attempt = 0; attempt < 10; attempt++) {
    const [entry] = await entriesAt(consul, [keys.freeze])
    const before = freezeFrom(entry)
    if (before?.frozen === true && before.by === 'hand') return false
    if (dryRun) return true
    const operations = freezing(keys, before, { by: 'hand', why }, new Date().toISOString())
    const event = await recorded(consul, keys, [{ what: 'frozen', why: why || null }])
    if ((await transact(consul, [...operations, ...event])).done) return true
  }
  throw new Temporary(`cannot freeze ${service}: others keep changing ${keys.freeze}; try again`)
}
