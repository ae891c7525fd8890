/** One look at Consul and at the state directory, by the definition and the settings that are in force. */

import { defaults, type Settings, settingsFrom } from '../keys/settings.ts'
import { putOfferedInForce } from '../state/definition.ts'
import { readFact } from '../state/facts.ts'
import { isBounded } from '../state/limits-path.ts'
import type { Run } from '../state/self.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'

export interface Look {
  readonly snapshot: Snapshot
  /** Why the definition file as it is now is not in force, or the machine's limits allow no start; null otherwise. */
  readonly definitionProblem: string | null
  /** That, or why the settings in Consul are not in force; null when both are. */
  readonly problem: string | null
}

/**
 * @param keep false when nothing may be written, not even the definition
 * @throws Permanent when the definition cannot be used and none was in force before; Temporary when Consul cannot be read
 */
export async function look(run: Run, keep = true): Promise<Look> {
  const inForce = await putOfferedInForce(run.files, run.definitionFile, run.serviceId, keep)
  const { definition, digest, shared, problem } = inForce
  const snapshot = await takeSnapshot(
    run.consul,
    run.instance,
    { definition, digest, shared },
    run.files,
    lastGoodSettings(run),
  )
  const own = problem ?? (await limitsProblem(run, snapshot, keep))
  return { snapshot, definitionProblem: own, problem: own ?? settingsProblem(snapshot) }
}

/** Why this machine's limits allow no start, or cannot be used as they are; null on a machine without any. */
async function limitsProblem({ files }: Run, { definition }: Snapshot, keep: boolean): Promise<string | null> {
  if (!isBounded()) return null
  const { troubleHere } = await import('../state/allowed.ts')
  return troubleHere(files.directory, definition, keep)
}

function settingsProblem({ keys, settingsProblem }: Snapshot): string | null {
  return (
    settingsProblem && `cannot use ${keys.settings}: ${settingsProblem}; the last good settings stay in force, mend it`
  )
}

function lastGoodSettings({ files }: Run): Settings {
  return settingsFrom(readFact(files.settings), defaults).settings
}
