/**
 * Whether the health of the partitions here is published as it is now. This is all that a tick does for it while nothing
 * changes: it reads one file, compares it with the facts that the tick has read anyway, and asks Consul nothing.
 */
import { bootId } from '../base/clock.ts'
import { encode } from '../base/names.ts'
import { readUnwell } from '../checks/unwell.ts'
import type { Definition } from '../definition/definition.ts'
import { definitionInForce } from '../state/definition.ts'
import { readFact, readLine } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import { runnerOf } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { withReadiness } from '../state/ready.ts'
import { hasEnded, isRunning } from '../state/shepherd-status.ts'

/** What is published is written again after this time, ms: a restored backup of Consul may hold an older value. */
const again = 600_000

/** One partition that this instance holds. */
export interface Here {
  readonly id: string
  readonly index: number
  /** `<pid>.<start time>`; `-` for none yet; for one that has ended `-` and how often it had been started again. */
  readonly process: string
  readonly ready: boolean
  readonly local: Local
}

/** What was written down of one partition. */
export interface Known {
  readonly index: number
  readonly process: string
  readonly ready: boolean
  /** Boot clock, ms; null when no process runs. */
  readonly started: number | null
  readonly since: number
  readonly restarts: number
}

/** What is to be published. */
export interface Change {
  readonly here: readonly Here[]
  /** The file, as it was found: see publish-health.ts. */
  readonly before: string | null
  /** The definition says when a partition is ready, or has checks: ready is more than started. */
  readonly tellsReady: boolean
}

/** What is to be published; null when it is. @param now boot clock, ms @throws Temporary when the disk cannot be read */
export function changeOf(files: InstanceFiles, local: ReadonlyMap<string, Local>, now: number): Change | null {
  const definition = definitionInForce(files)?.definition
  const here = partitionsHere(files, local, definition)
  const before = readFact(files.health)
  if (isPublished(before, here, now)) return null
  return { here, before, tellsReady: definition?.ready !== undefined || (definition?.checks.length ?? 0) > 0 }
}

/** In the order of their directory, which changes only with its names. */
function partitionsHere(
  files: InstanceFiles,
  facts: ReadonlyMap<string, Local>,
  definition: Definition | undefined,
): Here[] {
  const unwell = definition !== undefined && definition.checks.length > 0 ? readUnwell(files) : new Set<string>()
  return [...withReadiness(files, facts, definition)].flatMap(([id, local]) => {
    if (!isAssumed(local)) return []
    const { process, shepherd, status, unready, acquisition, index } = local
    const runs = process !== null && shepherd !== null && isRunning(status)
    return {
      ...{ id, index, local },
      process: process === null ? noProcess(files, id, status) : `${process.pid}.${process.start}`,
      ready: runs && unready === undefined && !unwell.has(acquisition),
    }
  })
}

/** In a crash loop each tick may find no process, and yet another one has ended. */
function noProcess(files: InstanceFiles, id: string, status: string | null): string {
  return hasEnded(status) ? `-${restartsOf(files, id)}` : '-'
}

/** How often the shepherd has started the process of a partition again. */
export function restartsOf(files: InstanceFiles, id: string): number {
  const restarts = Number(readLine(runnerOf(files.partition(id)).restarts) ?? 0)
  return Number.isSafeInteger(restarts) ? restarts : 0
}

/** The part of the file that shows whether anything has changed: a line for each partition. */
export function signatureOf(here: readonly Here[]): string {
  return here.map(({ id, index, process, ready }) => `${encode(id)} ${index} ${process} ${ready ? 1 : 0}`).join('\n')
}

/** @param text of the file: see `publishHealth` */
function isPublished(text: string | null, here: readonly Here[], now: number): boolean {
  if (text === null) return here.length === 0
  const end = text.indexOf('\n')
  const [boot, outcome, at] = text.slice(0, end).split(' ')
  const age = now - Number(at)
  if (outcome !== 'published' || !(age >= 0 && age < again) || boot !== bootId()) return false
  const signature = signatureOf(here)
  return text.startsWith(`${signature}\n\n`, end + 1)
}
