/**
 * The events of the partitions here. The present facts are compared with those that hooks were last told, so that no
 * event is told twice, and none is missed while no program runs. A crash loop between two looks is told once.
 */

import { parseHanded } from '../base/worker-line.ts'
import type { Definition, HookEvent } from '../definition/definition.ts'
import { parseProcess } from '../machine/identity.ts'
import { readFact, readLine, writeFact, writeFactIfWanted } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import { type PartitionFiles, runnerOf, versionOf } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Run } from '../state/self.ts'
import { isFailing } from '../state/shepherd-status.ts'
import { eventOf, tellsOfPartitions } from './event.ts'
import { inOrder } from './in-order.ts'
import { enqueue } from './queue.ts'

/** What hooks were told of one partition: of which acquisition, which process, which exit, which failure. */
interface Told {
  readonly acquisition: string
  readonly process: string
  readonly exit: string
  readonly failure: string
  readonly stopFailed: boolean
  /** Hooks were told that it will be given back. */
  readonly releasing: boolean
}

const nothing = { process: '', exit: '', failure: '', stopFailed: false, releasing: false }

function toldOf(files: PartitionFiles, acquisition: string): Told | null {
  try {
    const told = JSON.parse(readFact(files.told) ?? 'null') as Told | null
    return told?.acquisition === acquisition ? told : null
  } catch {
    return null // a damaged disk
  }
}

/** The present state, in the same form. */
function nowOf(files: PartitionFiles, acquisition: string, local: Seen, told: Told | null): Told {
  return {
    ...nothing,
    ...told,
    acquisition,
    process: local.process ? `${local.process.pid} ${local.process.start}` : (told?.process ?? ''),
    exit: readLine(runnerOf(files).exit) ?? told?.exit ?? '',
    failure: isFailing(local.status) ? (local.status as string) : '',
  }
}

/** The facts that events come from. */
type Seen = Pick<Local, 'process' | 'status'>

/** Whether there is a new event. Cheap, for the guard. */
export function isAnythingNew(
  files: InstanceFiles,
  definition: Definition,
  local: ReadonlyMap<string, Local>,
): boolean {
  if (!tellsOfPartitions(definition)) return false
  return [...local].some(([id, one]) => isAssumed(one) && isNew(files.partition(id), one.acquisition, one))
}

function isNew(files: PartitionFiles, acquisition: string, one: Seen): boolean {
  const told = toldOf(files, acquisition)
  return JSON.stringify(told) !== JSON.stringify(nowOf(files, acquisition, one, told))
}

/** Keeps an event for each change. */
export function tellLifecycle(run: Run, definition: Definition, local: ReadonlyMap<string, Local>): void {
  if (!tellsOfPartitions(definition)) return
  for (const [partition, one] of local) {
    const files = run.files.partition(partition)
    if (!isAssumed(one) || !isNew(files, one.acquisition, one)) continue
    inOrder(run.files, () => {
      // Given back since the look: the program that did so has told it.
      if (readFact(files.acquisition) === one.acquisition) tellOne(run, definition, partition, one.acquisition, one)
    })
  }
}

/** Keeps an event of a partition here, after all earlier ones that are not kept yet. Call it inside `inOrder`. */
export function tellNext(
  run: Run,
  definition: Definition,
  partition: string,
  { event, own = '', details = {} }: { event: HookEvent; own?: string; details?: Record<string, unknown> },
): void {
  const files = run.files.partition(partition)
  const acquisition = readFact(files.acquisition) ?? readFact(files.releasing)
  // Without a token the lock was never taken; only the intention was written down.
  if (acquisition === null || (readFact(files.token) === null && toldOf(files, acquisition) === null)) return
  // If the process ends from here on, the stop ended it.
  const process = parseProcess(readLine(runnerOf(files).process))
  tellOne(run, definition, partition, acquisition, { process, status: null }, false)
  const told = toldOf(files, acquisition)
  if ((event === 'releasing' || event === 'stopFailed') && told !== null) {
    if (told[event]) return // once per acquisition, however often the stop is tried again
    writeFact(files.told, JSON.stringify({ ...told, [event]: true }))
  }
  enqueue(
    run.files,
    definition,
    eventOf({
      id: `${acquisition}.${event}${own}`,
      event,
      partition,
      details: { ...ofAcquisition(definition, files), ...details },
    }),
    event === 'released',
  )
}

function tellOne(
  run: Run,
  definition: Definition,
  partition: string,
  acquisition: string,
  one: Seen,
  ends = true,
): void {
  const files = run.files.partition(partition)
  const before = toldOf(files, acquisition)
  const seen = nowOf(files, acquisition, one, before)
  const told = before ?? { acquisition, ...nothing, exit: earlierExit(definition, files, seen.exit) }
  const now = ends ? seen : { ...seen, exit: told.exit, failure: told.failure }
  const own = ofAcquisition(definition, files)
  const tell = (event: HookEvent, which: string, details: Record<string, unknown> = {}) => {
    const id = `${acquisition}.${event}${which}`
    const happened = eventOf({ id, event, partition, details: { ...own, ...details } })
    enqueue(run.files, definition, happened, event === 'acquired')
  }
  if (before === null) tell('acquired', '')
  if (now.exit !== told.exit) tell('exited', `.${digits(now.exit)}`, exitDetails(files, now.exit))
  if (now.process !== told.process)
    tell('started', `.${now.process.replace(' ', '.')}`, { Pid: Number(now.process.split(' ')[0]) })
  if (now.failure !== '' && told.failure === '') tell('failed', `.${digits(now.failure)}`, { Reason: now.failure })
  if (JSON.stringify(now) !== JSON.stringify(before)) writeFactIfWanted(files.told, JSON.stringify(now))
}

/** The token, and the version where the definition has versions. */
function ofAcquisition(definition: Definition, files: PartitionFiles): Record<string, unknown> {
  const Token = readFact(files.token)
  return definition.versions === undefined ? { Token } : { Token, Version: versionOf(definition, files) }
}

/** An exit of the worker from before it was given this partition, to the second; '' for any other. */
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
    ...(exit.includes(', out of memory') && { OutOfMemory: true }),
  }
}

function digits(text: string): string {
  return text.replace(/\D+/g, '-').replace(/^-|-$/g, '') || 'now'
}

export function tellStopFailed(run: Run, definition: Definition, partitions: readonly string[], why: string): void {
  for (const partition of partitions) {
    inOrder(run.files, () => tellNext(run, definition, partition, { event: 'stopFailed', details: { Reason: why } }))
  }
}
