/**
 * Events in Consul. Each instance has one key with its last ones, `watchbill/.events/<service>/<instance>`, which its guard
 * writes; what operators ask for stands in keys of its own, `event/<id>`, which are written in the transaction of the change.
 *
 * The order is the same for every reader, and no wall clock is in it. Consul's index orders the transactions of all machines.
 * An event that no transaction did counts as of the index at which its instance wrote it into Consul, at most a tick later; but
 * never later than the next event of the same instance.
 */
import { fieldsIn, textIn } from '../base/json.ts'
import { decode, encode, type Keys } from '../base/names.ts'
import type { Entry } from '../consul/kv.ts'
import { type Event, eventFrom, eventText } from '../state/events.ts'

/** The most events, and bytes, of one instance's key. */
export const mostEvents = 100
export const mostBytes = 16_384
/** Characters of the names of an event, and of who asked for it: more than any program writes. */
const mostShown = 8192
const mostBy = 400

export function eventsRoot(service: string): string {
  return `watchbill/.events/${encode(service)}/`
}

export function eventsKey(service: string, instance: string): string {
  return `${eventsRoot(service)}${encode(instance)}`
}

/**
 * The events of a key; none when it is garbled. Those without an index get that of the key: they came with its last write. None is
 * later than that, whatever it says of itself: it may be of a Consul that was restored, or forged.
 */
export function eventsIn({ value, modifyIndex }: Pick<Entry, 'value' | 'modifyIndex'>): Event[] {
  const { events } = fieldsIn(value)
  if (!Array.isArray(events)) return []
  return events.slice(-mostEvents).flatMap(one => {
    const event = eventFrom(one)
    return event === null ? [] : [withinRoom({ ...event, index: Math.min(event.index ?? modifyIndex, modifyIndex) })]
  })
}

/** Anybody may have written one with a hundred thousand names. */
function withinRoom(event: Event): Event {
  let room = mostShown
  const names = event.partitions.filter(name => {
    room -= name.length + 1
    return room >= 0
  })
  const left = event.partitions.length - names.length
  return left === 0 ? event : { ...event, partitions: names, more: event.more + left }
}

/** The value with these events after those that stand there; the oldest give way. @param before as `eventsIn` gave them */
export function eventsValue(before: readonly Event[], more: readonly Event[]): string {
  const there = new Set(before.map(({ key }) => key))
  const all = [...before, ...more.filter(({ key }) => !there.has(key))].slice(-mostEvents).map(eventText)
  const empty = '{"events":[]}'.length
  let bytes = empty + all.reduce((sum, one) => sum + Buffer.byteLength(one) + 1, 0)
  while (bytes > mostBytes) bytes -= Buffer.byteLength(all.shift() as string) + 1
  return `{"events":[${all.join(',')}]}`
}

/** An event in the order of all. */
export interface Told extends Event {
  readonly index: number
  /** The instance that tells it; null for what an operator asked for. */
  readonly teller: string | null
  /** Who asked for it: the user, and the accessor of the token; the instance whose check did; null when nobody did. */
  readonly by: string | null
}

/** What an operator asked for: the value of `event/<id>`. */
export function askedValue(event: Event, by: string): string {
  return `${eventText(event).slice(0, -1)},"by":${JSON.stringify(by.slice(0, 300))}}`
}

/**
 * Pure: all events of a service, in one order.
 * @param own what stands below `eventsRoot` @param asked what stands below `event/`, both of one read
 */
export function inOrder(
  service: string,
  keys: Pick<Keys, 'events'>,
  own: readonly Entry[],
  asked: readonly Entry[],
): Told[] {
  const root = eventsRoot(service)
  const ofInstances = own.flatMap(entry => {
    const teller = decode(entry.key.slice(root.length))
    return teller === null ? [] : told(teller, eventsIn(entry))
  })
  const ofOperators = asked.flatMap(entry => {
    if (!entry.key.startsWith(keys.events)) return []
    const fields = fieldsIn(entry.value)
    const event = eventFrom(fields)
    return event === null
      ? []
      : [
          {
            ...withinRoom(event),
            index: entry.createIndex,
            teller: null,
            by: textIn(fields.by).slice(0, mostBy) || null,
          },
        ]
  })
  const all = [...ofInstances, ...ofOperators].map((event, place) => ({ event, place }))
  // A stable order: those of one key stand as they do there.
  all.sort((a, b) => a.event.index - b.event.index || byTeller(a.event, b.event) || a.place - b.place)
  return once(all.map(({ event }) => event))
}

/** No event is later than the next one of the same instance. */
function told(teller: string, events: readonly Event[]): Told[] {
  let next = Number.POSITIVE_INFINITY
  const backwards = events.toReversed().map(event => {
    next = Math.min(next, event.index ?? next)
    return { ...event, index: next, teller, by: null }
  })
  return backwards.reverse()
}

/** What operators asked for comes before what came of it. */
function byTeller(a: Told, b: Told): number {
  const [one, other] = [a.teller ?? '', b.teller ?? '']
  return one < other ? -1 : one > other ? 1 : 0
}

/** Several instances tell of one that was lost. */
function once(events: readonly Told[]): Told[] {
  const seen = new Set<string>()
  return events.filter(({ key }) => !seen.has(key) && seen.add(key) !== undefined)
}
