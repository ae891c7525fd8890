/**
 * Whether a running partition is ready. When the definition has `ready`, a partition counts as running only once one of
 * its checks or the process itself says so. This changes `status`, DNS and the report, never which instance runs what.
 */
import { statSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { readFact } from './facts.ts'
import type { Local } from './local.ts'
import { withWarnings } from './near.ts'
import type { PartitionFiles } from './partition-paths.ts'
import type { InstanceFiles } from './paths.ts'
import { saysReady } from './worker-said.ts'

type Asked = Pick<Definition, 'ready' | 'run'>

/** The check that makes a partition ready; null for none. */
export function readyCheck({ ready }: Pick<Definition, 'ready'>): string | null {
  return ready?.startsWith('check:') ? ready.slice('check:'.length) : null
}

/** The sentence on a partition that is not ready; null when the definition has no `ready`. */
export function unreadyWords(definition: Pick<Definition, 'ready'>): string | null {
  if (definition.ready === undefined) return null
  const check = readyCheck(definition)
  return `starting: waits for ${check === null ? 'its process to confirm that it is ready' : `check ${check}`}`
}

/** The same facts; a partition that is here and not ready also says what it waits for, one with limits what to look at. */
export function withReadiness(
  files: InstanceFiles,
  local: ReadonlyMap<string, Local>,
  definition: Asked | undefined,
): ReadonlyMap<string, Local> {
  const unready = definition === undefined ? null : unreadyWords(definition)
  const all = definition?.run.limits === undefined ? local : withWarnings(local)
  if (definition === undefined || unready === null) return all
  const confirmed = confirmationsOf(files, definition)
  return new Map(
    [...all].map(([id, one]) => {
      const ready = one.acquisition === null || confirmed(files.partition(id), one.acquisition)
      return [id, ready ? one : { ...one, unready }]
    }),
  )
}

function confirmationsOf(
  { worker }: InstanceFiles,
  definition: Asked,
): (files: PartitionFiles, acquisition: string) => boolean {
  if (readyCheck(definition) !== null) return isReadyByCheck
  if (definition.run.per === 'partition') return hasConfirmed
  const said = readFact(worker.report)
  return ({ handed }) => saysReady(said, readFact(handed))
}

/** The check has passed since the partition is here. */
export function isReadyByCheck(files: PartitionFiles, acquisition: string): boolean {
  return readFact(files.ready) === acquisition
}

/** The process has written the file. A file older than the exit of the previous process was written by that one. */
function hasConfirmed(files: PartitionFiles): boolean {
  const at = writtenAt(files.ready)
  return at !== null && at > (writtenAt(files.exit) ?? 0)
}

function writtenAt(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null
}
