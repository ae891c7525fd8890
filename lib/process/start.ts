/** Starts partitions: each by a shepherd of its own, or all of them by handing them to the worker. */
import { existsSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { refusal } from '../state/bounded.ts'
import { writeFact } from '../state/facts.ts'
import { instanceOf } from '../state/partition-paths.ts'
import { environmentOf, launchShepherds, type Start, valuesOf } from './shepherd/start.ts'

/**
 * Starts the shepherds of partitions whose locks are held. Each shepherd checks the acquisition and the lease itself
 * before it starts the process, and ends at once when another shepherd is there.
 */
export async function startShepherds(definition: Definition, starts: readonly Start[]): Promise<void> {
  if (starts.length > 0 && !(await mayStart(definition, starts))) return
  if (definition.run.per === 'instance') {
    const { handToWorker } = await import('./worker/start.ts')
    return handToWorker(definition, starts)
  }
  const handed = starts.filter(({ files }) => existsSync(files.handed)) // handed to the worker by an earlier definition
  if (handed.length > 0) {
    const { takeFromWorker } = await import('./worker/start.ts')
    await takeFromWorker(definition, handed)
  }
  const shepherds = starts.map(start => ({
    ...start,
    values: valuesOf(start),
    environment: environmentOf(definition, start),
  }))
  await launchShepherds(definition, shepherds)
}

/** False when the limits of this machine do not allow the definition (any more); the statuses then say why. */
async function mayStart(definition: Definition, starts: readonly Start[]): Promise<boolean> {
  const [first] = starts
  const why = first === undefined ? null : await refusal(instanceOf(first.files).directory, definition)
  if (why !== null) for (const { files } of starts) writeFact(files.status, `cannot start: ${why}`)
  return why === null
}
