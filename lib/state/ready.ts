/**
 * Whether a partition that runs is at work: where the definition says `ready`, it counts as running only once it says so,
 * by one of its checks or by itself. That changes what `status`, DNS and the report say, never who runs what.
 */
import { statSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { readFact } from './facts.ts'
import type { Local } from './local.ts'
import type { InstanceFiles, PartitionFiles } from './paths.ts'
import { saysReady } from './worker-said.ts'

type Asked = Pick<Definition, 'ready' | 'run'>

/** The check that says so; null for none. */
export function readyCheck({ ready }: Pick<Definition, 'ready'>): string | null {
  return ready?.startsWith('check:') ? ready.slice('check:'.length) : null
}

/** What is said of a partition that is not ready; null where nothing is asked. */
export function unreadyWords(definition: Pick<Definition, 'ready'>): string | null {
  if (definition.ready === undefined) return null
  const check = readyCheck(definition)
  return `starting: waits for ${check === null ? 'its word that it is ready' : `check ${check}`}`
}

/** The same facts, and of each that is here and not ready, what it waits for. */
export function withReadiness(
  files: InstanceFiles,
  local: ReadonlyMap<string, Local>,
  definition: Asked | undefined,
): ReadonlyMap<string, Local> {
  const unready = definition === undefined ? null : unreadyWords(definition)
  if (definition === undefined || unready === null) return local
  const confirmed = confirmationsOf(files, definition)
  return new Map(
    [...local].map(([id, one]) => {
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

/** Its check has passed since the partition is here. */
export function isReadyByCheck(files: PartitionFiles, acquisition: string): boolean {
  return readFact(files.ready) === acquisition
}

/** The process has written the file; not the one before it, whose end is younger then. */
function hasConfirmed(files: PartitionFiles): boolean {
  const at = writtenAt(files.ready)
  return at !== null && at > (writtenAt(files.exit) ?? 0)
}

function writtenAt(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null
}
