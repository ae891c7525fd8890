/**
 * Restarting a partition's process under the acquisition that it has: lock, lease and token stay. Whoever wants that on
 * this machine writes the fact `restart`; from elsewhere it is the key restart/<partition>. Both stand until everything
 * of the old process is gone, so that no handler's death loses them; and the new one is started by the next look, as
 * any process that is missing.
 */
import { transactInBatches } from '../consul/batch.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { probeOf } from '../process/containment/gone.ts'
import type { Stop } from '../process/shepherd/stop.ts'
import { forcedWords, stopAll } from '../process/stop.ts'
import { removeFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/paths.ts'
import type { Run } from '../state/self.ts'

export type Restart = Extract<Step, { do: 'restart' }>

/** Asks, on the machine that holds it, for a restart at the next look. @param why one line, for people */
export function askRestart(files: PartitionFiles, why: string): void {
  writeFact(files.restart, why)
}

/** Stops them all at once. @throws Temporary when one cannot be stopped, or Consul is away: the next look goes on */
export async function restartAll(run: Run, snapshot: Snapshot, restarts: readonly Restart[]): Promise<void> {
  const { stop } = snapshot.definition
  const requests = new Map(restarts.map(restart => [restart.partition, restart]))
  const stops = restarts.map(({ partition }): Stop => {
    const grace = snapshot.local.get(partition)?.terms?.grace ?? stop.graceMs
    const probe = probeOf(run, snapshot.definition, partition)
    return { partition, files: run.files.partition(partition), grace, signal: stop.signal, keeps: true, probe }
  })
  await stopAll(stops, async gone => {
    // Before the request is answered: a finished one would not be started.
    for (const { partition, files } of gone) {
      const forced = forcedWords(partition, files)
      if (forced !== null) run.log(forced)
      writeFact(files.status, 'stopped: it is started again')
    }
    await answer(
      run,
      snapshot,
      gone.flatMap(({ partition }) => requests.get(partition) ?? []),
    )
    for (const { files } of gone) removeFact(files.restart)
  })
}

/** A request that came meanwhile, and another's key, stay. */
async function answer(run: Run, { keys }: Snapshot, restarts: readonly Restart[]): Promise<void> {
  await transactInBatches(run.consul, {
    items: restarts.filter(({ request }) => request !== null),
    operations: ({ partition, request }) => [
      { Verb: 'delete-cas', Key: keys.restart(partition), Index: request as number },
    ],
  })
}
