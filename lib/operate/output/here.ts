/** Where the output of a partition stands on this machine. */
import { statSync } from 'node:fs'
import { readFact } from '../../state/facts.ts'
import { identityOf, localInstances } from '../../state/identity.ts'
import { instanceFiles, runnerOf } from '../../state/paths.ts'

export interface OutputHere {
  readonly output: string
  readonly instance: string
  /** It is this instance's to run now; otherwise the output is of earlier. */
  readonly held: boolean
}

/**
 * Of the instance that has it, or else had it last; null when there is none on this machine.
 * @throws Temporary when that cannot be seen, such as for another user than the agent's
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
