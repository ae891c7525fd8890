/** Writes a fetched set into Consul: first the added partitions, then the changed ones, then the removals. */

import type { Keys } from '../base/names.ts'
import { listed } from '../base/text.ts'
import { transact } from '../consul/kv.ts'
import { stillOnDuty } from '../keys/duty.ts'
import { leavesOut, leftOutMark } from '../keys/new-ids.ts'
import { addPartitions, changePartitions, removeUnchanged } from '../keys/partition-set.ts'
import { sourceBy, tellsOfSet } from '../keys/set-events.ts'
import { revisionBump } from '../keys/settings.ts'
import { look } from '../look/look.ts'
import { othersAtWork } from '../look/others-at-work.ts'
import { everFetched } from '../state/fetches.ts'
import { isActive } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import type { SetChange } from './change.ts'

/**
 * @param defined whether a set has been written before
 * @returns `done`: what was changed, as a sentence, or null; `leftOut`: which ids were left out, as a sentence, or null
 * @throws Temporary when Consul is away, or the duty was lost: the next round goes on
 */
export async function putInForce(
  run: Run,
  keys: Keys,
  session: string,
  { added, changed, removed }: SetChange,
  defined: boolean,
): Promise<{ done: string | null; leftOut: string | null }> {
  const { consul } = run
  let leftOut: string | null = null
  const onRefused = (ids: readonly string[]) => {
    leftOut = ids.length > 0 ? `${leftOutMark}${leavesOut(keys, ids)}` : null
  }
  const only = [stillOnDuty(keys, session)]
  const tell = tellsOfSet(consul, keys, sourceBy)
  const clean = defined || (await isNew(run))
  const done = {
    added: added.length > 0 ? await addPartitions(consul, keys, added, 'source', { clean, only, onRefused, tell }) : [],
    changed: changed.length > 0 ? await changePartitions(consul, keys, changed, 'source', { only, tell }) : [],
    removed: removed.length > 0 ? await removeUnchanged(consul, keys, removed, { only, tell }) : [],
  }
  if (!defined) await transact(consul, [revisionBump(keys), ...only])
  const clauses = Object.entries(done).flatMap(([what, ids]) => (ids.length > 0 ? [`${what}: ${listed(ids)}`] : []))
  return { done: clauses.join('; ') || null, leftOut }
}

/**
 * Called when there is no set: is the service new? If something runs, somebody has deleted all keys, and the locks of running
 * partitions must not be created again as clean ones.
 */
async function isNew(run: Run): Promise<boolean> {
  const { snapshot } = await look(run)
  if (everFetched(run.files) || [...snapshot.local.values()].some(isActive)) return false
  return !(await othersAtWork(run, snapshot))
}
