/** Writes the definition's partitions into Consul: once, and again when the definition's list, or its percentage, changes. */
import { transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { sameShare } from '../keys/count.ts'
import { leavesOut } from '../keys/new-ids.ts'
import { definePartitions, type Writing } from '../keys/partition-set.ts'
import { definitionOf, tellsOfSet } from '../keys/set-events.ts'
import { revisionBump } from '../keys/settings.ts'
import { leaveTerms } from '../keys/terms.ts'
import { othersAtWork } from '../look/others-at-work.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { definedLine, isCarriedOut, wantedIds } from '../plan/counting.ts'
import { partitionsLine } from '../plan/plan.ts'
import { writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

/** Content of the fact `defined` while the set is being written for the first time. */
const begun = 'begun'

/** Content of the fact `defined` when the set comes from a source: the instance that fetches it writes it (lib/sources/). */
const fetched = partitionsLine([])

export async function define(run: Run, snapshot: Snapshot): Promise<void> {
  const { keys, definition, count } = snapshot
  if (snapshot.defined && count?.by === 'reset') {
    const { defineAgain } = await import('./define-number.ts')
    if (!(await defineAgain(run, snapshot))) return
    return noted(run, snapshot)
  }
  if (snapshot.defined && count?.by === 'hand') {
    const { withdraw } = await import('./proposal.ts')
    return withdraw(run, snapshot)
  }
  const isDone = snapshot.defined && (isCarriedOut(snapshot) || isInForce(snapshot))
  if (definition.source !== null || isDone) return noted(run, snapshot)
  const { isStillApplied, missingInDefinition, weigh } = await import('./proposal.ts')
  const ids = wantedIds(snapshot)
  const weighed = snapshot.defined ? await weigh(run, snapshot, ids) : null
  if (weighed === null && snapshot.defined) return
  const first = snapshot.definedLast === null
  const unfinished = snapshot.definedLast === begun
  const applied = weighed?.applied ? isStillApplied(keys, weighed.applied) : null
  if (first && snapshot.defined && applied === null) {
    run.log('leaves the partition set as it is: others wrote it before this instance first took part')
  } else if (snapshot.defined && definition.share !== undefined) {
    const { takeOver } = await import('./define-number.ts')
    if (!(await takeOver(run, snapshot, ids.length, { removed: weighed?.removed ?? [], applied }))) return
  } else {
    const clean = snapshot.defined || ((first || unfinished) && !(await othersAtWork(run, snapshot)))
    if (first) writeFact(run.files.defined, begun) // writing the set takes several transactions, and this program may die between two
    const only = await inForce(run, snapshot, ids.length, clean)
    if (only === null) return
    // Instances that come later cannot know the last holders: leave them the longest lease and grace for the takeover wait.
    if (!clean) await leaveTerms(run.consul, keys, snapshot.longestTerms)
    const { added, removed, refused } = await definePartitions(run.consul, keys, ids, {
      clean,
      ...(applied && { gone: weighed?.removed ?? [] }),
      only: [...only, ...(applied ? [applied] : [])],
      tell: tellsOfDefinition(run, snapshot, ids, weighed?.removed),
    })
    if (!snapshot.defined) await transact(run.consul, [revisionBump(keys)])
    // The set came from a source before: delete the duty key, whose problem no longer applies.
    if (snapshot.definedLast === fetched) await transact(run.consul, [{ Verb: 'delete', Key: keys.duty('source') }])
    run.log(`wrote the definition's partitions: ${added.length} added, ${removed.length} removed`)
    if (refused.length > 0) run.log(`left out partitions of the definition: ${leavesOut(keys, refused)}`)
    if (snapshot.count !== null || definition.share !== undefined) {
      const { reached } = await import('./define-number.ts')
      await reached(run, snapshot)
    }
  }
  // Partitions that are left of a deleted set are not removed here: the next look proposes their removal.
  if (!snapshot.defined && (await missingInDefinition(run, snapshot, ids)).length > 0) return
  await noted(run, snapshot)
}

/** The event of a change that other instances with the same definition may make at the same time. */
function tellsOfDefinition(
  { consul }: Run,
  { keys, partitions, revision }: Snapshot,
  ids: readonly string[],
  removed?: readonly string[],
): Writing['tell'] {
  const added = ids.filter(id => !partitions.has(id))
  return tellsOfSet(consul, keys, definitionOf, { since: revision, added, ...(removed && { removed }) })
}

/** The definition is carried out, or another instance with the same one has done it. */
async function noted(run: Run, snapshot: Snapshot): Promise<void> {
  const { withdraw } = await import('./proposal.ts')
  await withdraw(run, snapshot)
  writeFact(run.files.defined, definedLine(snapshot.definition))
}

function isInForce({ count, definition: { share } }: Snapshot): boolean {
  return share !== undefined && sameShare(count?.share, share)
}

/**
 * Puts the number of the definition in force before its set is written. Most services have none.
 * @returns the conditions of every write of the set; null when another instance has changed the number
 */
async function inForce(
  run: Run,
  snapshot: Snapshot,
  number: number,
  clean: boolean,
): Promise<readonly Operation[] | null> {
  if (snapshot.count === null && snapshot.definition.share === undefined) return []
  const { putNumberInForce } = await import('./define-number.ts')
  return putNumberInForce(run, snapshot, number, clean)
}
