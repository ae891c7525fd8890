/** Freezes the service when too many instances are lost, and ends such a freeze; each once, by check-and-set. */

import { listed } from '../base/text.ts'
import { transact } from '../consul/kv.ts'
import { recorded } from '../keys/asked.ts'
import { crossing, freezing, stillThawed, thawing } from '../keys/freeze.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Run } from '../state/self.ts'

export async function freeze(run: Run, snapshot: Snapshot): Promise<void> {
  const found = crossing(snapshot)
  if (found === null) return
  const operations = freezing(snapshot.keys, snapshot.freeze, { by: 'lost', ...found }, new Date().toISOString())
  const why = `${found.lost.length} of ${found.of} are lost: ${listed(found.lost)}`
  const event = await recorded(run.consul, snapshot.keys, [{ what: 'frozen', why }])
  const { done } = await transact(run.consul, [...operations, ...event])
  if (done) run.log(`froze the service: ${why}`)
}

export async function thaw(run: Run, snapshot: Snapshot): Promise<void> {
  const { keys, freeze } = snapshot
  if (freeze === null) return
  // This end is not by hand: of the lost, only those that people let be before are left out of the next count.
  const why = `enough of ${listed(freeze.lost)} are back`
  const event = await recorded(run.consul, keys, [{ what: 'thawed', why }])
  const { done } = await transact(run.consul, [...thawing(keys, freeze, stillThawed(snapshot)), ...event])
  if (done) run.log(`ended the freeze of ${freeze.since}: ${why}`)
}
