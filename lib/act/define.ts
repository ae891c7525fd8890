/** Writes the definition's partitions into Consul: once, and again when the definition's list changes. */
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

/** Content of the fact `defined` while the set is being written for the first time. */
const begun = 'begun'

/** Content of the fact `defined` when the set comes from a source: the instance that fetches it writes it (lib/sources/). */
const fetched = partitionsLine([])

export async function define(run: Run, snapshot: Snapshot): Promise<void> {
  const { keys, definition } = snapshot
  const { isStillApplied, missingInDefinition, weigh, withdraw } = await import('./proposal.ts')
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
    run.log('leaves the partition set as it is: others wrote it before this instance first took part')
  } else {
    const clean = snapshot.defined || ((first || unfinished) && !(await othersAtWork(run, snapshot)))
    if (first) writeFact(run.files.defined, begun) // writing the set takes several transactions, and this program may die between two
    // Instances that come later cannot know the last holders: leave them the longest lease and grace for the takeover wait.
    if (!clean) await leaveTerms(run.consul, keys, snapshot.longestTerms)
    const { added, removed, refused } = await definePartitions(run.consul, keys, definition.partitions, {
      clean,
      ...(weighed?.applied && { gone: weighed.removed, only: [isStillApplied(keys, weighed.applied)] }),
    })
    if (!snapshot.defined) await transact(run.consul, [revisionBump(keys)])
    // The set came from a source before: delete the duty key, whose problem no longer applies.
    if (snapshot.definedLast === fetched) await transact(run.consul, [{ Verb: 'delete', Key: keys.duty('source') }])
    run.log(`wrote the definition's partitions: ${added.length} added, ${removed.length} removed`)
    if (refused.length > 0) run.log(`left out partitions of the definition: ${leavesOut(keys, refused)}`)
  }
  // Partitions that are left of a deleted set are not removed here: the next look proposes their removal.
  if (!snapshot.defined && (await missingInDefinition(run, snapshot)).length > 0) return
  writeFact(run.files.defined, own)
  await withdraw(run, snapshot)
}
