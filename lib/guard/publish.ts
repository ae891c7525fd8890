/**
 * Publishes what has changed here: the health of the partitions, and the events since, in one transaction. It runs in a tick
 * after its verdict is printed, and only when there is something new.
 */
import { bootId } from '../base/clock.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { isRefusal } from '../consul/permission.ts'
import { eventsIn, eventsKey, eventsValue } from '../keys/events.ts'
import { type Event, keepEvents, type Ring } from '../state/events.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import { appendLog } from '../state/log.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import type { Change } from './health.ts'
import { type HealthWrite, healthWrite, type TickTime } from './publish-health.ts'

/** How long a request may take, ms: the end of Consul's check waits for it. */
const limit = 300
/** When events that Consul did not take are sent again, ms: also where the token may not write them. */
const later = 10_000
const laterWhenRefused = 60_000

/**
 * @param connect gives a connection to Consul for so many ms
 * @throws Temporary, Denied when the disk or Consul does not take it: a later tick goes on
 */
export async function publish(
  self: Self,
  change: Change | null,
  time: TickTime,
  connect: (limit: number) => Consul,
): Promise<void> {
  const health = change === null ? null : healthWrite(self, change, time)
  // First the events: once the difference is written down, the next tick does not see it any more.
  const kept = await attempted(() => keep(self, known => health?.events(known) ?? [], time.now))
  if (time.isLate) return
  health?.begin()
  const consul = connect(limit)
  try {
    const ring = kept.value ?? null
    const events = await attempted(() => (ring === null ? null : eventsWrite(consul, self, ring, time.now)))
    if (isRefusal(events.error)) putOff(self.files, time.now + laterWhenRefused)
    await send(consul, self.files, health, events.value ?? null, time.now)
    for (const { error } of [kept, events]) if (error !== undefined) throw error
  } finally {
    consul.close()
  }
}

/** Writes what has happened into the ring, and marks that it is to be sent: a tick may be killed before it has done so. */
function keep({ instance, files }: Self, seen: Parameters<typeof keepEvents>[1], now: number): Ring {
  const { ring, torn } = keepEvents(files, seen)
  if (torn) appendLog(files.log, `${instance} guard: ${files.eventRing} was torn or not ours, and is begun anew`)
  if (readFact(files.eventsPending) === null && unpublished(files, ring).length > 0) putOff(files, now)
  return ring
}

/** Both in one transaction. Where the token may write only one of them, the health goes alone. */
async function send(
  consul: Consul,
  files: InstanceFiles,
  health: HealthWrite | null,
  events: EventsWrite | null,
  now: number,
): Promise<void> {
  const operations = [health?.operation ?? [], events?.operation ?? []].flat()
  if (operations.length === 0) return
  try {
    const { done } = await transact(consul, operations)
    if (!done) return // somebody has written the events' key: they are tried again
    events?.end()
    if (health?.operation) health.end('published')
  } catch (error) {
    if (!isRefusal(error)) throw error
    if (events !== null) putOff(files, now + laterWhenRefused)
    if (health?.operation && events !== null) await send(consul, files, health, null, now)
    else health?.end('refused')
    throw error
  }
}

interface EventsWrite {
  readonly operation: Operation
  /** Call it when Consul has them. */
  readonly end: () => void
}

/** Null when Consul has all of them, or they are put off. */
async function eventsWrite(
  consul: Consul,
  { service, instance, files }: Self,
  ring: Ring,
  now: number,
): Promise<EventsWrite | null> {
  const more = unpublished(files, ring)
  if (more.length === 0 || isPutOff(files, now)) return null
  putOff(files, now + later)
  const Key = eventsKey(service, instance)
  const entry = (await trees(consul, [Key])).find(({ key }) => key === Key)
  const value = eventsValue(entry === undefined ? [] : eventsIn(entry), more)
  const end = () => {
    writeFact(files.eventsPublished, `${ring.id} ${ring.last}`)
    removeFact(files.eventsPending)
  }
  return { operation: { Verb: 'cas', Key, Index: entry?.modifyIndex ?? 0, Value: base64(value) }, end }
}

/** The events that Consul does not have yet. */
function unpublished({ eventsPublished }: InstanceFiles, ring: Ring): Event[] {
  const [id, number] = readFact(eventsPublished)?.split(' ') ?? []
  const last = id === ring.id ? Number(number) : 0
  return ring.events.flatMap(({ number, event }) => (number > last ? [event] : []))
}

function putOff({ eventsPending }: InstanceFiles, until: number): void {
  writeFact(eventsPending, `${bootId()} ${until}`)
}

function isPutOff({ eventsPending }: InstanceFiles, now: number): boolean {
  const [boot, until] = readFact(eventsPending)?.split(' ') ?? []
  const left = Number(until) - now
  return boot === bootId() && left > 0 && left <= laterWhenRefused
}

async function attempted<T>(work: () => T | Promise<T>): Promise<{ readonly value?: T; readonly error?: unknown }> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}
