/** Carries out the steps of a plan: stop → release and wake · claim → start. */
import { reason } from '../base/errors.ts'
import { transactInBatches } from '../consul/batch.ts'
import { base64 } from '../consul/kv.ts'
import { uncleanValue } from '../keys/lock.ts'
import { removal } from '../keys/partition-set.ts'
import { parseReport } from '../keys/report.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { notStopped } from '../process/shepherd/stop.ts'
import { readFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'
import { define } from './define.ts'
import { enter } from './enter.ts'
import { endAll } from './give-back.ts'
import { reportRemarks } from './report.ts'
import { restartAll } from './restart.ts'
import { takeAndStart } from './take.ts'

/**
 * @throws Temporary when Consul or the state directory fails midway: the next look finds what is left to do. Steps that
 * run at the same time as the failed one are finished first.
 */
export async function act(run: Run, snapshot: Snapshot, steps: readonly Step[]): Promise<void> {
  const of = <Kind extends Step['do']>(...kinds: Kind[]) =>
    steps.filter((step): step is Extract<Step, { do: Kind }> => (kinds as string[]).includes(step.do))

  if (of('enter').length > 0) await enter(run, snapshot)
  // First: who takes a lost lock meanwhile is told by the key.
  if (of('freeze', 'thaw').length > 0) await frozenOrThawed(run, snapshot, of('freeze', 'thaw'))
  if (of('define').length > 0) await define(run, snapshot)
  const branches = await Promise.allSettled([
    endAll(run, snapshot, of('release', 'disown', 'stop')),
    takeAndStart(run, snapshot, of('reclaim', 'adopt', 'claim', 'start')),
    restartAll(run, snapshot, of('restart')),
    remakeLocks(run, snapshot, of('remake')),
    deleteLocks(run, snapshot, of('delete')),
    // Beside its own partitions: a number that cannot be carried out must keep nobody from working.
    counted(run, snapshot, of('count')),
  ])
  const failed = branches.find(branch => branch.status === 'rejected')
  // Last: a failure of what is done for the whole service must not keep anybody from working.
  const placing = of('propose', 'drainOlder', 'undrainOlder', 'readTraits')
  if (failed === undefined && placing.length > 0) {
    const { forPlacement } = await import('./placement.ts')
    await forPlacement(run, snapshot, placing)
  }
  if (failed === undefined) await withdrawn(run, snapshot, of('withdrawPlan'))
  if (failed === undefined) return
  const left = notStopped(failed.reason)
  if (left !== null) await reportStuck(run, snapshot, left, failed.reason)
  throw failed.reason
}

// Loaded late: most services never have any of it.

async function frozenOrThawed(
  run: Run,
  snapshot: Snapshot,
  steps: readonly Extract<Step, { do: 'freeze' | 'thaw' }>[],
): Promise<void> {
  const act = await import('./freeze.ts')
  for (const step of steps) await act[step.do](run, snapshot)
}

async function counted(run: Run, snapshot: Snapshot, steps: readonly Extract<Step, { do: 'count' }>[]): Promise<void> {
  for (const step of steps) await (await import('./count.ts')).count(run, snapshot, step)
}

async function withdrawn(
  run: Run,
  { keys, ownPlan: { pointer } }: Snapshot,
  steps: readonly Extract<Step, { do: 'withdrawPlan' }>[],
): Promise<void> {
  for (const { why } of steps) {
    const { withdrawPlan } = await import('../keys/own-plan.ts')
    if (pointer === null || !(await withdrawPlan(run.consul, keys, pointer, why))) continue
    run.log(`withdrew the plan ${pointer.revision} of the scheduler: ${why}; the roster decides`)
  }
}

/** Writes into the report which partitions do not stop. The stop is tried again every few seconds, the report written once. */
async function reportStuck(run: Run, { keys }: Snapshot, partitions: readonly string[], error: unknown) {
  const { stuckRemarks } = await import('../process/stuck.ts')
  const remarks = stuckRemarks(run.files, run.node, partitions, reason(error))
  const said = parseReport(readFact(run.files.report))
  if (partitions.every(id => said[id] === remarks[id])) return
  await reportRemarks(run, keys, remarks).catch(failure =>
    run.log(`cannot report the partitions that do not stop: ${reason(failure)}`),
  )
}

/** Creates missing locks as unclean ones, only where the partition is still in the set and the lock is still missing. */
async function remakeLocks(
  run: Run,
  { keys }: Snapshot,
  steps: readonly Extract<Step, { do: 'remake' }>[],
): Promise<void> {
  const value = base64(uncleanValue(new Date().toISOString(), run.instance))
  await transactInBatches(run.consul, {
    items: steps,
    operations: ({ partition }) => [
      { Verb: 'get', Key: keys.partition(partition) },
      { Verb: 'cas', Key: keys.lock(partition), Index: 0, Value: value },
    ],
  })
}

/** Deletes locks, only while the partition is not in the set: one that was added again keeps its lock and need not wait. */
async function deleteLocks(
  run: Run,
  snapshot: Snapshot,
  steps: readonly Extract<Step, { do: 'delete' }>[],
): Promise<void> {
  await transactInBatches(run.consul, {
    items: steps,
    operations: ({ partition, index }) => removal(snapshot.keys, partition, index),
  })
}
