/** Writes the definition's partitions, once, and again when the definition has others. */
import { transact } from '../consul/kv.ts'
import { leavesOut } from '../keys/new-ids.ts'
import { definePartitions } from '../keys/partition-set.ts'
import { revisionBump } from '../keys/settings.ts'
import { leaveTerms } from '../keys/terms.ts'
import { othersAtWork } from '../look/others-at-work.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { partitionsLine } from '../plan/plan.ts'
import { writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

/** What stands in `defined` while the set is being written for the first time. */
const begun = 'begun'

/** The same for a set that comes from a source: whoever fetches it writes it, see lib/sources/. */
const fetched = partitionsLine([])

export async function define(run: Run, snapshot: Snapshot): Promise<void> {
  const { keys, definition } = snapshot
  const { beyond, isStillApplied, weigh, withdraw } = await import('./proposal.ts')
  const own = partitionsLine(definition.partitions)
  if (definition.source !== null || (snapshot.defined && snapshot.definedLast === own)) {
    await withdraw(run, snapshot)
    return writeFact(run.files.defined, own)
  }
  const weighed = snapshot.defined ? await weigh(run, snapshot) : null
  if (weighed === null && snapshot.defined) return
  const first = snapshot.definedLast === null
  const unfinished = snapshot.definedLast === begun
  if (first && snapshot.defined && weighed?.applied === null) {
    run.log('leaves the partition set as it is: others wrote it before this instance first came')
  } else {
    const clean = snapshot.defined || ((first || unfinished) && !(await othersAtWork(run, snapshot)))
    if (first) writeFact(run.files.defined, begun) // the set takes several transactions: one may be the last
    // Whoever comes later never saw whose locks they were.
    if (!clean) await leaveTerms(run.consul, keys, snapshot.longestTerms)
    const { added, removed, refused } = await definePartitions(run.consul, keys, definition.partitions, {
      clean,
      ...(weighed?.applied && { gone: weighed.removed, only: [isStillApplied(keys, weighed.applied)] }),
    })
    if (!snapshot.defined) await transact(run.consul, [revisionBump(keys)])
    // Nobody fetches it any more, and what was wrong with its source is wrong no longer.
    if (snapshot.definedLast === fetched) await transact(run.consul, [{ Verb: 'delete', Key: keys.duty('source') }])
    run.log(`wrote the definition's partitions: ${added.length} added, ${removed.length} removed`)
    if (refused.length > 0) run.log(`left out partitions of the definition: ${leavesOut(keys, refused)}`)
  }
  // What is left of a set that was lost is not removed along with writing it anew: the next look weighs that.
  if (!snapshot.defined && (await beyond(run, snapshot)).length > 0) return
  writeFact(run.files.defined, own)
  await withdraw(run, snapshot)
}
