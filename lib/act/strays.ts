/** Ends the processes that earlier runs of a partition left behind, before it is started. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Definition } from '../definition/definition.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { killMembers, membersOf } from '../process/containment/containment.ts'
import { probeOf, saysGone } from '../process/containment/gone.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { Run } from '../state/self.ts'

const strayLimit = 2000

/** Nothing here asks Consul. */
type Here = Pick<Run, 'instance' | 'node' | 'files' | 'log'>

/**
 * Kills what is left of earlier processes of these partitions, and waits until it is gone.
 * @returns the partitions that must not be started: a process survived SIGKILL, or `stop.gone` does not say that it is gone
 */
export async function killStrays(
  run: Here,
  snapshot: Pick<Snapshot, 'definition' | 'local'>,
  steps: readonly { readonly do: Step['do']; readonly partition: string }[],
): Promise<ReadonlySet<string>> {
  const idle = steps.filter(step => step.do !== 'reclaim' && !snapshot.local.get(step.partition)?.shepherd)
  if (idle.length === 0) return new Set()
  const all = new Map(idle.map(({ partition }) => [run.files.partition(partition), partition]))
  for (let waited = 0; killMembers([...all.keys()]).length > 0; waited += 25) {
    if (waited > strayLimit) {
      const left = withSurvivors(run, all)
      return new Set([...left, ...(await leftOutside(run, snapshot.definition, [...all.values()]))])
    }
    await delay(25)
  }
  return leftOutside(run, snapshot.definition, [...all.values()])
}

/** The partitions for which the definition's command `stop.gone` does not say that they are gone. */
export async function leftOutside(
  run: Here,
  definition: Definition,
  partitions: readonly string[],
): Promise<ReadonlySet<string>> {
  const probes = partitions.map(partition => probeOf(run, definition, partition))
  const answers = await Promise.all(probes.map(probe => probe === null || saysGone(probe)))
  const left = partitions.filter((_, i) => !answers[i])
  for (const partition of left) run.log(`cannot start ${partition}: stop.gone does not say that it is gone`)
  return new Set(left)
}

/** The partitions of which a process survived SIGKILL. */
function withSurvivors(run: Here, all: ReadonlyMap<PartitionFiles, string>): ReadonlySet<string> {
  const members = membersOf([...all.keys()])
  const left = [...all].filter(([{ directory }]) => members.has(directory))
  for (const [{ directory }, partition] of left) {
    const pids = members.get(directory)?.map(({ pid }) => pid)
    run.log(
      `cannot start ${partition}: a process of an earlier run does not end after SIGKILL; see ps ${pids?.join(' ')}`,
    )
  }
  return new Set(left.map(([, partition]) => partition))
}
