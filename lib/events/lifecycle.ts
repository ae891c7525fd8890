/**
 * The events of what runs here, from its facts: compared with what was told last, so that nothing is told twice and what
 * happened while nobody looked is told afterwards. A crash loop between two looks is told once.
 */
import type { Context } from '../context.ts'
import type { Definition, HookEvent } from '../definition/definition.ts'
import { readFact, readLine, writeFact } from '../state/facts.ts'
import { type InstanceFiles, type PartitionFiles, runnerOf } from '../state/instance.ts'
import type { Local } from '../state/local.ts'
import { parseHanded } from '../worker/assignment.ts'
import { eventOf } from './event.ts'
import { enqueue } from './queue.ts'

/** What was told of one partition: of which acquisition, which process, which end, which failure. */
interface Told {
  readonly acquisition: string
  readonly process: string
  readonly exit: string
  readonly failure: string
  readonly stopFailed: boolean
}

const nothing = { process: '', exit: '', failure: '', stopFailed: false }

function toldOf(files: PartitionFiles, acquisition: string): Told | null {
  try {
    const told = JSON.parse(readFact(files.told) ?? 'null') as Told | null
    return told?.acquisition === acquisition ? told : null
  } catch {
    return null // a torn disk
  }
}

/** How it is now, in the words of what is told. */
function nowOf(files: PartitionFiles, acquisition: string, local: Local, told: Told | null): Told {
  const failing = /^(crash-looping|cannot start)\b/.test(local.status ?? '')
  return {
    acquisition,
    process: local.process ? `${local.process.pid} ${local.process.start}` : (told?.process ?? ''),
    exit: readLine(runnerOf(files).exit) ?? told?.exit ?? '',
    failure: failing ? (local.status as string) : '',
    stopFailed: told?.stopFailed ?? false,
  }
}

function isAssumed(local: Local): local is Local & { acquisition: string } {
  return local.acquisition !== null && local.index !== null
}

const watched: readonly HookEvent[] = ['acquired', 'started', 'exited', 'failed']

/** Whether something is to be told: cheap, for the guard. */
export function isAnythingNew(files: InstanceFiles, { hooks }: Definition, local: ReadonlyMap<string, Local>): boolean {
  if (!watched.some(event => hooks[event])) return false
  return [...local].some(([id, one]) => {
    if (!isAssumed(one)) return false
    const own = files.partition(id)
    const told = toldOf(own, one.acquisition)
    return JSON.stringify(told) !== JSON.stringify(nowOf(own, one.acquisition, one, told))
  })
}

/** Keeps an event for whatever is new. */
export function tellLifecycle(context: Context, definition: Definition, local: ReadonlyMap<string, Local>): void {
  if (!watched.some(event => definition.hooks[event])) return
  for (const [partition, one] of local) if (isAssumed(one)) tellOne(context, definition, partition, one)
}

function tellOne(
  context: Context,
  definition: Definition,
  partition: string,
  one: Local & { acquisition: string },
): void {
  const files = context.files.partition(partition)
  const { acquisition } = one
  const before = toldOf(files, acquisition)
  const now = nowOf(files, acquisition, one, before)
  const told = before ?? { acquisition, ...nothing, exit: earlierExit(definition, files, now.exit) }
  const tell = (event: HookEvent, own: string, details: Record<string, unknown> = {}) =>
    enqueue(context.files, definition, eventOf({ id: `${acquisition}.${event}${own}`, event, partition, details }))
  if (before === null) tell('acquired', '', { Token: one.token })
  if (now.exit !== told.exit) tell('exited', `.${digits(now.exit)}`, exitDetails(files, now.exit))
  if (now.process !== told.process)
    tell('started', `.${now.process.replace(' ', '.')}`, { Pid: Number(now.process.split(' ')[0]) })
  if (now.failure !== '' && told.failure === '') tell('failed', `.${digits(now.failure)}`, { Reason: now.failure })
  if (JSON.stringify(now) !== JSON.stringify(before)) writeFact(files.told, JSON.stringify(now))
}

/** An end of the worker from before it was given this partition, to the second; '' for any other. */
function earlierExit({ run }: Definition, files: PartitionFiles, exit: string): string {
  if (run.per === 'partition') return ''
  const handed = parseHanded(readFact(files.handed))
  if (handed === null) return exit // not given to it yet
  const at = Number(/ at (\d+)$/.exec(exit)?.[1]) // epoch seconds
  return at < Math.floor(Date.parse(handed.since) / 1000) ? exit : ''
}

function exitDetails(files: PartitionFiles, exit: string): Record<string, unknown> {
  const code = Number(/^exit (\d+)/.exec(exit)?.[1])
  const number = /\(signal (\d+)\)/.exec(exit)?.[1]
  return {
    Code: code,
    Signal: number === undefined ? null : Number(number),
    Restarts: Number(readLine(runnerOf(files).restarts) ?? 0),
    Reason: exit,
  }
}

function digits(text: string): string {
  return text.replace(/\D+/g, '-').replace(/^-|-$/g, '') || 'now'
}

/** Of each acquisition once, however often the stop is tried again. */
export function tellStopFailed(
  context: Context,
  definition: Definition,
  partitions: readonly string[],
  why: string,
): void {
  for (const partition of partitions) {
    const files = context.files.partition(partition)
    const acquisition = readFact(files.acquisition) ?? readFact(files.releasing)
    if (acquisition === null) continue
    const told = toldOf(files, acquisition) ?? { acquisition, ...nothing }
    if (told.stopFailed) continue
    const id = `${acquisition}.stopFailed`
    enqueue(context.files, definition, eventOf({ id, event: 'stopFailed', partition, details: { Reason: why } }))
    writeFact(files.told, JSON.stringify({ ...told, stopFailed: true }))
  }
}
