/** The events of the instance itself, and of lost instances. */
import { base64, transact, trees } from '../consul/kv.ts'
import type { Definition, HookEvent } from '../definition/definition.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Run, Self } from '../state/self.ts'
import { eventOf } from './event.ts'
import { enqueue } from './queue.ts'

/** The last state that hooks were told. */
interface Told {
  /** The session it joined with. */
  readonly joined: string | null
  readonly isolated: boolean
  /** Lost instances, with the index of the loss. */
  readonly lost: Readonly<Record<string, number>>
}

function toldOf(files: InstanceFiles): Told {
  try {
    return { joined: null, isolated: false, lost: {}, ...(JSON.parse(readFact(files.told) ?? '{}') as Partial<Told>) }
  } catch {
    return { joined: null, isolated: false, lost: {} } // a damaged disk
  }
}

function remember(files: InstanceFiles, told: Told): void {
  writeFact(files.told, JSON.stringify(told))
}

function enqueueOwn(
  { instance, files }: Self,
  definition: Definition,
  event: HookEvent,
  own: string,
  details: Record<string, unknown> = {},
): void {
  enqueue(files, definition, eventOf({ id: `${instance}.${event}.${own}`, event, details }))
}

/** The instance has joined with this session. */
export function tellJoined(self: Self, definition: Definition, session: string): void {
  const told = toldOf(self.files)
  if (!definition.hooks.joined || told.joined === session) return
  enqueueOwn(self, definition, 'joined', session, { Session: session })
  remember(self.files, { ...told, joined: session })
}

/** @param id of this leave, the same when its end is reached again */
export function tellLeft(self: Self, definition: Definition, released: number, id: string): void {
  if (!definition.hooks.left) return
  enqueueOwn(self, definition, 'left', id, { Released: released })
}

/** True: the instance is cut off, its lease is over, and nothing runs but what goes on by `whenIsolated`. False: it is back. */
export function tellIsolated(self: Self, definition: Definition, isolated: boolean, why: string): void {
  const told = toldOf(self.files)
  if (told.isolated === isolated) return
  enqueueOwn(self, definition, isolated ? 'isolated' : 'rejoined', String(Date.now()), {
    ...{ Reason: why, WhenIsolated: whenIsolatedOf(definition) },
  })
  remember(self.files, { ...told, isolated })
}

function whenIsolatedOf({ whenIsolated }: Definition): string {
  return typeof whenIsolated === 'object' ? 'run' : (whenIsolated ?? 'stop')
}

/** @param own id of this failure, the same when it is reported again */
export function tellSourceFailed(self: Self, definition: Definition, own: string, why: string): void {
  if (definition.hooks.sourceFailed) enqueueOwn(self, definition, 'sourceFailed', own, { Reason: why })
}

/** @param own id of this failure, the same when it is reported again */
export function tellSchedulerFailed(self: Self, definition: Definition, own: string, why: string): void {
  if (definition.hooks.schedulerFailed) enqueueOwn(self, definition, 'schedulerFailed', own, { Reason: why })
}

/** The partitions that a look moved to or from this instance. */
export function tellRebalanced(self: Self, { definition, index }: Snapshot, steps: readonly Step[]): void {
  const of = (kind: Step['do']) =>
    steps.flatMap(step => (step.do === kind && 'partition' in step ? [step.partition] : []))
  const [Gained, Lost] = [of('claim'), of('release')]
  if (Gained.length + Lost.length > 0) enqueueOwn(self, definition, 'rebalanced', String(index), { Gained, Lost })
}

/**
 * Reports lost instances. Exactly one of the remaining instances reports each loss: the first that writes
 * `duty/lost:<instance>`. If it is killed after that write, it later finds its own name there and reports it then.
 */
export async function tellLost(run: Run, snapshot: Snapshot): Promise<void> {
  const { definition, keys } = snapshot
  for (const [lost, index] of snapshot.lost) {
    const told = toldOf(run.files)
    if (lost === run.instance || told.lost[lost] === index) continue
    if (await isMineToTell(run, keys.duty(`lost:${lost}`), keys.member(lost), index)) {
      enqueueOwn(run, definition, 'lost', `${lost}.${index}`, { Lost: lost })
    }
    remember(run.files, { ...told, lost: { ...told.lost, [lost]: index } })
  }
}

/** @returns false when another instance reports it, or the instance is not lost any more */
async function isMineToTell({ consul, instance }: Run, duty: string, member: string, index: number): Promise<boolean> {
  const entry = (await trees(consul, [duty])).find(({ key }) => key === duty)
  const value = JSON.stringify({ by: instance, index })
  if (entry?.value === value) return true
  if (entry?.value?.endsWith(`"index":${index}}`)) return false
  const outcome = await transact(consul, [
    { Verb: 'check-index', Key: member, Index: index },
    { Verb: 'cas', Key: duty, Index: entry?.modifyIndex ?? 0, Value: base64(value) },
  ])
  return outcome.done
}
