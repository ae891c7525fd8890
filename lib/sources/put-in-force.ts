/** Writes a fetched set into Consul: what is new, what is another, and then what is gone. */

import type { Keys } from '../base/names.ts'
import { listed } from '../base/text.ts'
import { transact } from '../consul/kv.ts'
import { stillOnDuty } from '../keys/duty.ts'
import { leavesOut, leftOutMark } from '../keys/new-ids.ts'
import { addPartitions, changePartitions, removeUnchanged } from '../keys/partition-set.ts'
import { revisionBump } from '../keys/settings.ts'
import { look } from '../look/look.ts'
import { othersAtWork } from '../look/others-at-work.ts'
import { everFetched } from '../state/fetches.ts'
import { isActive } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import type { SetChange } from './change.ts'

/**
 * @param defined somebody has written a set
 * @returns what was changed, as a sentence, null when that was nothing; and which ids were left out, null when none was
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
  const clean = defined || (await isNew(run))
  const done = {
    added: added.length > 0 ? await addPartitions(consul, keys, added, 'source', { clean, only, onRefused }) : [],
    changed: changed.length > 0 ? await changePartitions(consul, keys, changed, 'source', { only }) : [],
    removed: removed.length > 0 ? await removeUnchanged(consul, keys, removed, { only }) : [],
  }
  if (!defined) await transact(consul, [revisionBump(keys), ...only])
  const clauses = Object.entries(done).flatMap(([what, ids]) => (ids.length > 0 ? [`${what}: ${listed(ids)}`] : []))
  return { done: clauses.join('; ') || null, leftOut }
}

/**
 * There is no set. A service that is new has nothing that runs; otherwise somebody wiped everything, and the locks of what
 * runs must not be made anew as clean ones.
 */
async function isNew(run: Run): Promise<boolean> {
  const { snapshot } = await look(run)
  if (everFetched(run.files) || [...snapshot.local.values()].some(isActive)) return false
  return !(await othersAtWork(run, snapshot))
}
