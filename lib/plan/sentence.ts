/** The plan in one English sentence, which is also the log line. */
import { seconds } from '../base/clock.ts'
import { byName, listed } from '../base/text.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from './step.ts'

const clauses: Record<Step['do'], (ids: readonly string[], steps: readonly Step[]) => string> = {
  enter: () => 'takes part',
  define: () => "compares its definition's partitions with the set",
  freeze: (_, steps) =>
    steps.map(step => (step.do === 'freeze' ? `freezes: ${step.lost.length} of ${step.of} are lost` : '')).join(),
  thaw: () => 'ends the freeze',
  count: (_, steps) => steps.map(step => (step.do === 'count' ? countClauses[step.what](step.number) : '')).join(),
  propose: () => 'puts the placement of its definition in force',
  drainOlder: (_, steps) =>
    `drains ${listed(steps.flatMap(step => (step.do === 'drainOlder' ? step.instances : [])))}, of an older release`,
  undrainOlder: (_, steps) =>
    `ends the drain of ${listed(steps.flatMap(step => (step.do === 'undrainOlder' ? step.instances : [])))}, which was of an older release`,
  readTraits: () => 'reads what placement needs of documents',
  withdrawPlan: (_, steps) =>
    steps.map(step => (step.do === 'withdrawPlan' ? `withdraws the plan of the scheduler: ${step.why}` : '')).join(),
  reclaim: ids => `takes back its own ${listed(ids)}`,
  adopt: ids => `assumes ${listed(ids)}`,
  claim: (ids, steps) => {
    const taken = steps.filter(step => step.do === 'claim' && step.takeover).length
    return `claims ${listed(ids)}${taken > 0 ? ` (${taken} after the takeover wait)` : ''}`
  },
  remake: ids => `makes the missing lock of ${listed(ids)} again`,
  restart: ids => `stops ${listed(ids)} to start it again`,
  start: ids => `starts ${listed(ids)}`,
  release: (ids, steps) => {
    const nexts = new Set(steps.flatMap(step => (step.do === 'release' && step.next ? [step.next] : [])))
    return nexts.size > 0 ? `hands ${listed(ids)} over to ${listed([...nexts].sort())}` : `gives up ${listed(ids)}`
  },
  disown: ids => `gives back ${listed(ids)}, which it did not take`,
  stop: (ids, steps) => {
    const whys = new Set(steps.flatMap(step => (step.do === 'stop' ? [step.why] : [])))
    return `stops ${listed(ids)}: ${[...whys].join(', ')}`
  },
  delete: ids => `deletes the locks of ${listed(ids)}, no longer in the set`,
}

const countClauses = {
  write: (number: number) => `the number of partitions becomes ${number}`,
  bring: (number: number) => `brings the set to ${number} partitions`,
  reset: () => "goes back to its definition's partitions",
}

export function sentence(
  snapshot: Snapshot,
  steps: readonly Step[],
  waits: ReadonlyMap<string, number>,
  queued = 0,
): string {
  const parts: string[] = []
  for (const kind of Object.keys(clauses) as Step['do'][]) {
    const same = steps.filter(step => step.do === kind)
    if (same.length === 0) continue
    parts.push(clauses[kind](same.flatMap(step => ('partition' in step ? [step.partition] : [])).sort(byName), same))
  }
  if (waits.size > 0) {
    parts.push(`waits ${seconds(Math.max(...waits.values()))} to take over ${listed([...waits.keys()].sort(byName))}`)
  }
  if (queued > 0) parts.push(`${queued} wait their turn to start`)
  if (!snapshot.leaseRuns) parts.push('claims nothing while its lease does not run')
  const held = [...snapshot.locks.values()].filter(lock => lock.session !== null && lock.session === snapshot.session)
  return `${parts.length > 0 ? parts.join('; ') : 'nothing to do'}; held ${held.length} of ${snapshot.partitions.size}`
}
