/** What happened, as it is kept until the hooks that wait for it have run. */
import { randomId } from '../base/clock.ts'
import {
  type BuiltIn,
  type CheckDefinition,
  type Definition,
  type HookEvent,
  partitionEvents,
  type Reaction,
} from '../definition/definition.ts'

/** When a check's reactions are due. */
export const checkEvents = ['onFailure', 'onWarning', 'onPass'] as const
export type CheckEvent = (typeof checkEvents)[number]

export interface Event {
  /** The same however often it is told of: a hook that was cut off runs again with the same id. */
  readonly id: string
  readonly event: HookEvent | CheckEvent
  /** The partition's id; null for what concerns the instance. */
  readonly partition: string | null
  /** The id of the check whose status changed; null for what is no check's. */
  readonly check: string | null
  /** Wall clock, ISO. */
  readonly at: string
  /** What the hook finds on its stdin beside that. */
  readonly details: Readonly<Record<string, unknown>>
}

export type Happening = Omit<Event, 'at' | 'id' | 'check' | 'partition' | 'details'> & Partial<Event>

/** An event that happens now. Without an id of its own it gets a random one. */
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

/** What the definition wants done about it, in its order. */
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

/** Whether hooks want to know of what happens to single partitions. */
export function tellsOfPartitions({ hooks }: Pick<Definition, 'hooks'>): boolean {
  return partitionEvents.some(event => hooks[event])
}

export function isBuiltIn(reaction: Reaction): reaction is BuiltIn {
  return typeof reaction === 'string'
}

/** The check of an event, when the definition still has it. */
export function checkOf(definition: Definition, { check }: Pick<Event, 'check'>): CheckDefinition | null {
  return definition.checks.find(({ id }) => id === check) ?? null
}
