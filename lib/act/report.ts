/**
 * `report/<instance>`: what other machines cannot see of this instance's partitions, one sentence each. It is written only
 * when it changes, and removed when it is empty.
 */

import type { Keys } from '../base/names.ts'
import { base64, transact } from '../consul/kv.ts'
import { keyRefused, leavesOut, refusedIds } from '../keys/new-ids.ts'
import { blank, everything, parseReport, type Report, remark } from '../keys/report.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Plan } from '../plan/plan.ts'
import { unstartable } from '../plan/rolling.ts'
import { queuedWords } from '../plan/starts.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import { unreadyWords } from '../state/ready.ts'
import type { Run } from '../state/self.ts'
import { unrenderedWords } from '../state/unrendered.ts'

/**
 * Pure: the report. A takeover wait keeps its first wording, so that jitter of the clock does not cause writes.
 * @param troubles of the whole instance
 */
export function reportOf(
  snapshot: Snapshot,
  plan: Plan,
  before: Report,
  wallClock: number,
  troubles: readonly string[] = [],
): Report {
  const report = blank()
  for (const [id, local] of snapshot.local) {
    const words = remark(local)
    if (words !== null) report[id] = words
  }
  const leftOut = snapshot.definition.partitions.filter(id => !snapshot.partitions.has(id))
  const refused = snapshot.defined ? refusedIds(snapshot.keys, leftOut) : []
  const whole = refused.length > 0 ? [...troubles, leavesOut(snapshot.keys, refused)] : troubles
  if (whole.length > 0) report[everything] = whole.join('; ')
  for (const id of snapshot.unusable) report[id] = keyRefused(snapshot, id)
  for (const [id, why] of unstartable(snapshot)) report[id] = why
  for (const id of plan.queued) report[id] = queuedWords(snapshot.definition.startsAtOnce)
  for (const [id, { unrendered }] of snapshot.local) if (unrendered) report[id] = unrenderedWords
  const unready = unreadyWords(snapshot.definition)
  // A partition that is claimed now will not be ready right after its start.
  if (unready !== null) for (const step of plan.steps) if (step.do === 'claim') report[step.partition] = unready
  for (const [id, left] of plan.waits) {
    const known = before[id]
    report[id] = known?.startsWith('takeover') ? known : `takeover ${waiting(snapshot, id, wallClock + left)}`
  }
  return report
}

function waiting(snapshot: Snapshot, id: string, until: number): string {
  const from = snapshot.locks.get(id)?.held?.instance
  const when = new Date(until).toISOString().replace(/\.\d+Z$/, 'Z')
  return `by ${snapshot.instance} at ${when}: ${from ? `${from} lost the lock` : 'the lock was lost'} without giving it back`
}

/**
 * Adds to the report why this instance can do nothing. The next report that is written without the problem omits it.
 * @returns false when the report says so already
 */
export async function reportHindrance(run: Run, keys: Keys, why: string): Promise<boolean> {
  if (parseReport(readFact(run.files.report))[everything] === why) return false
  await reportRemarks(run, keys, { [everything]: why })
  return true
}

/** Adds remarks to the report; the next full report replaces them. */
export async function reportRemarks({ consul, files, instance }: Run, keys: Keys, remarks: Report): Promise<void> {
  const report = JSON.stringify({ ...parseReport(readFact(files.report)), ...remarks })
  await transact(consul, [{ Verb: 'set', Key: keys.report(instance), Value: base64(report) }])
  writeFact(files.report, report)
}

/** Writes the report if it differs from the last one. */
export async function writeReport(
  run: Run,
  snapshot: Snapshot,
  plan: Plan,
  troubles: readonly string[] = [],
): Promise<void> {
  const last = readFact(run.files.report)
  const report = JSON.stringify(reportOf(snapshot, plan, parseReport(last), Date.now(), troubles))
  if (report === (last ?? '{}')) return
  const key = snapshot.keys.report(run.instance)
  const empty = report === '{}'
  await transact(run.consul, [empty ? { Verb: 'delete', Key: key } : { Verb: 'set', Key: key, Value: base64(report) }])
  if (empty) removeFact(run.files.report)
  else writeFact(run.files.report, report)
}
