/** Finds the output file of a partition on this machine. */
import { statSync } from 'node:fs'
import { readFact } from '../../state/facts.ts'
import { identityOf, localInstances } from '../../state/identity.ts'
import { runnerOf } from '../../state/partition-paths.ts'
import { instanceFiles } from '../../state/paths.ts'

export interface OutputHere {
  readonly output: string
  readonly instance: string
  /** Whether the instance holds the partition now; otherwise the output is from an earlier run. */
  readonly held: boolean
}

/**
 * The output of the instance that holds the partition, or else held it last; null when this machine has none.
 * @throws Temporary when the state directory cannot be read, such as by another user than the agent's
 */
export function outputHere(root: string, service: string, partition: string): OutputHere | null {
  const found = localInstances(root).flatMap(instance => {
    const files = instanceFiles(root, instance)
    const { acquisition } = files.partition(partition)
    const { output } = runnerOf(files.partition(partition))
    const written = statSync(output, { throwIfNoEntry: false })?.mtimeMs
    if (written === undefined || identityOf(files)?.service !== service) return []
    return [{ output, instance, held: readFact(acquisition) !== null, written }]
  })
  return found.sort((a, b) => Number(b.held) - Number(a.held) || b.written - a.written)[0] ?? null
}
