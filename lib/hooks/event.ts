/** An event, as it is kept until its hooks have run. */
import { randomId } from '../base/clock.ts'
import type { BuiltIn, CheckDefinition, Reaction } from '../definition/checks.ts'
import { type Definition, type HookEvent, partitionEvents } from '../definition/definition.ts'

/** The names of a check's reactions. */
export const checkEvents = ['onFailure', 'onWarning', 'onPass'] as const
export type CheckEvent = (typeof checkEvents)[number]

export interface Event {
  /** The same for every delivery of the event: a hook that was interrupted runs again with the same id. */
  readonly id: string
  readonly event: HookEvent | CheckEvent
  /** The partition's id; null for an event of the instance. */
  readonly partition: string | null
  /** The id of the check whose status changed; null for other events. */
  readonly check: string | null
  /** Wall clock, ISO. */
  readonly at: string
  /** Further fields of the hook's stdin. */
  readonly details: Readonly<Record<string, unknown>>
}

export type Happening = Omit<Event, 'at' | 'id' | 'check' | 'partition' | 'details'> & Partial<Event>

/** An event that happens now; its id is random unless given. */
export function eventOf(happening: Happening): Event {
  return {
    partition: null,
    check: null,
    details: {},
    ...happening,
    id: happening.id ?? randomId(),
    at: happening.at ?? new Date().toISOString(),
  }
}

/** The definition's reactions to the event, in their order. */
export function reactionsTo(
  definition: Definition,
  { event, check }: Pick<Event, 'event' | 'check'>,
): readonly Reaction[] {
  if (check === null) {
    const hook = definition.hooks[event as HookEvent]
    return hook === undefined ? [] : [hook]
  }
  return definition.checks.find(({ id }) => id === check)?.[event as CheckEvent] ?? []
}

/** Whether there are hooks for events of partitions. */
export function tellsOfPartitions({ hooks }: Pick<Definition, 'hooks'>): boolean {
  return partitionEvents.some(event => hooks[event])
}

export function isBuiltIn(reaction: Reaction): reaction is BuiltIn {
  return typeof reaction === 'string'
}

/** The check of an event, if the definition still has it. */
export function checkOf(definition: Definition, { check }: Pick<Event, 'check'>): CheckDefinition | null {
  return definition.checks.find(({ id }) => id === check) ?? null
}
