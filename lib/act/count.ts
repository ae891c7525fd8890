/** Carries out what the number of partitions in force, `spec/number`, asks of this instance. */

import { listed } from '../base/text.ts'
import { transact } from '../consul/kv.ts'
import { recorded } from '../keys/asked.ts'
import { type CountInForce, counting, countWords, followedBy } from '../keys/count.ts'
import { bringTo } from '../keys/count-set.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import type { Run } from '../state/self.ts'

/** Where another program was first, the next look sees what it did. */
export async function count(
  run: Run,
  { keys, count, freeze, partitions }: Snapshot,
  { what, number }: Extract<Step, { do: 'count' }>,
): Promise<void> {
  const before = count as CountInForce
  if (what === 'reset') {
    await transact(run.consul, counting(keys, before, { ...before, instance: run.instance }))
    return
  }
  if (what === 'write') {
    const next = followedBy(before, partitions, { ...before, number, since: new Date().toISOString() })
    const why = `from ${before.number} to ${countWords(next)}`
    const event = await recorded(run.consul, keys, [{ what: 'scaled', why }])
    const { done } = await transact(run.consul, [...counting(keys, before, next), ...event])
    if (done) run.log(`the number of partitions becomes ${number}: it was ${before.number}`)
    return
  }
  const change = await bringTo(run.consul, keys, before, freeze, partitions)
  if (change === null) return
  const clauses = Object.entries(change).flatMap(([what, ids]) => (ids.length > 0 ? [`${what} ${listed(ids)}`] : []))
  run.log(`brought the set to ${number} partitions: ${clauses.join('; ') || 'it was so already'}`)
}
