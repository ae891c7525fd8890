/**
 * A worker that takes nothing any more (it said `closed`) but lives on: drain its instance, which gives every partition
 * back. `watchbill drain <service> <instance> off` ends the drain; a new process then gets the partitions.
 */

import { keysOf } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import type { Consul } from '../consul/http.ts'
import { changeSettings, defaults, settingsFrom } from '../keys/settings.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { saysClosed } from '../state/worker-said.ts'

/** Why the instance must be drained; null when it need not be, or already is by the settings last seen here. */
export function mustDrain(files: InstanceFiles, instance: string): string | null {
  const why = saysClosed(readFact(files.worker.report))
  if (why === null) return null
  return settingsFrom(readFact(files.settings), defaults).settings.drained.includes(instance) ? null : why
}

export async function drainClosed(run: {
  readonly consul: Consul
  readonly files: InstanceFiles
  readonly instance: string
  readonly service: string
  readonly log: (line: string) => void
}): Promise<void> {
  const { instance, service } = run
  const why = mustDrain(run.files, instance)
  if (why === null) return
  writeFact(run.files.closed, why)
  await changeSettings(
    run.consul,
    keysOf(service),
    settings => ({
      ...settings,
      drained: [...new Set([...settings.drained, instance])],
    }),
    `the worker takes nothing any more (${why})`,
  )
  run.log(
    `the worker takes nothing any more (${why}): drained until watchbill drain ${shellWord(service)} ${shellWord(instance)} off`,
  )
}
