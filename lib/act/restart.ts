/**
 * Restarts a partition's process under its present acquisition: lock, lease and token stay. On this machine the request is
 * the fact `restart`, from elsewhere the key restart/<partition>. Both stay until every old process is gone, so that no
 * request is lost when a handler dies. The next look starts the new process, like any missing one.
 */
import { transactInBatches } from '../consul/batch.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { probeOf } from '../process/containment/gone.ts'
import type { Stop } from '../process/shepherd/stop.ts'
import { forcedWords, stopAll } from '../process/stop.ts'
import { noteEvents } from '../state/events.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { Run } from '../state/self.ts'

export type Restart = Extract<Step, { do: 'restart' }>

/** Asks for a restart at the next look, on the machine that holds the partition. @param why one line, for people */
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
    // Before the request is deleted: a process whose status still says finished would not be started again.
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
    const why = (files: PartitionFiles) => readFact(files.restart) ?? 'asked for'
    noteEvents(
      run.files,
      gone.map(({ partition, files }) => ({ what: 'stopped to restart', partitions: [partition], why: why(files) })),
    )
    for (const { files } of gone) removeFact(files.restart)
  })
}

/** Deletes the requests as they were read: a request that was made meanwhile stays. */
async function answer(run: Run, { keys }: Snapshot, restarts: readonly Restart[]): Promise<void> {
  await transactInBatches(run.consul, {
    items: restarts.filter(({ request }) => request !== null),
    operations: ({ partition, request }) => [
      { Verb: 'delete-cas', Key: keys.restart(partition), Index: request as number },
    ],
  })
}
