/**
 * The stand-in of an instance that is cut off: one process, from `whenIsolated.run` of its definition. It has a shepherd as any
 * process, in a directory beside those of the partitions. No lease ends it: it is kept (see state/kept.ts) until it is asked to
 * stop. It holds no lock, so it gets no token. Both are done as the only handler of the instance: so no process of a
 * partition is started beside it.
 */
import { bootClock, randomId } from '../base/clock.ts'
import type { Definition, StandIn } from '../definition/definition.ts'
import { commonEnvironment } from '../definition/environment.ts'
import { refusal } from '../state/bounded.ts'
import { definitionInForce } from '../state/definition.ts'
import { makeOwnDirectory, removeFact, writeFact } from '../state/facts.ts'
import { writeKept } from '../state/kept.ts'
import { never, writeLease } from '../state/lease.ts'
import { livingProcesses } from '../state/local.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { removeGroup } from './containment/groups.ts'
import { launchShepherds } from './shepherd/start.ts'
import { stopAll } from './stop.ts'

export function standInRuns({ standIn }: Pick<InstanceFiles, 'standIn'>): boolean {
  return livingProcesses(standIn).shepherd !== null
}

/** @throws never when it cannot be started: its status says so. @returns the sentence for the log */
export async function startStandIn(self: Self, definition: Definition, { run: command }: StandIn): Promise<string> {
  const { files, instance, service, node } = self
  const { standIn } = files
  const why = await refusal(files.directory, definition)
  if (why !== null) return `cannot start the stand-in: ${why}`
  makeOwnDirectory(standIn.directory)
  const acquisition = `stand-in-${randomId()}`
  writeFact(standIn.acquisition, acquisition)
  writeLease(standIn, { from: never, own: bootClock() })
  writeKept(standIn, acquisition, { answered: null })
  const values = { node, instance, service }
  // The stop command is for partitions.
  const alone = { ...definition, stop: { ...definition.stop, command: null }, run: ofOne(definition) }
  const environment = commonEnvironment(alone, values)
  const terms = { lease: definition.leaseMs, grace: definition.stop.graceMs }
  await launchShepherds(alone, [{ files: standIn, acquisition, ...terms, values, environment, command }])
  return 'started the stand-in'
}

/** It has no clock, as no other process of the instance runs beside it; and it is started again when it ends. */
function ofOne({ run }: Definition): Definition['run'] {
  return { ...run, per: 'instance', restart: 'always' }
}

/** Ends all of it. @throws StopFailed when something of it does not end: then nothing else may be started */
export async function endStandIn(files: InstanceFiles): Promise<void> {
  const { standIn } = files
  const { graceMs: grace, signal } = definitionInForce(files)?.definition.stop ?? { graceMs: 3000, signal: 'SIGTERM' }
  await stopAll([{ partition: 'the stand-in', files: standIn, grace, signal }], async () => forget(standIn))
}

function forget(files: PartitionFiles): void {
  removeGroup(files)
  const { acquisition, lease, kept, launched, shepherd, process, releasing } = files
  // Last the fact that says that it may not be gone.
  for (const fact of [acquisition, lease, kept, launched, shepherd, process, releasing]) removeFact(fact)
}
