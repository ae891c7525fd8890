/** The events of services, from any agent, in one order. */
import { keysOf } from '../../base/names.ts'
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { apartBelow, trees } from '../../consul/kv.ts'
import { eventsRoot, inOrder, type Told } from '../../keys/events.ts'
import { knownServices } from '../../keys/services.ts'
import { readRing } from '../../state/events.ts'
import { instancesHere } from '../../state/figures/here.ts'

/** An event, and the service that it is of. */
export interface Shown extends Told {
  readonly service: string
}

export interface Asked {
  /** All services when left out. */
  readonly service?: string | undefined
  readonly partition?: string | undefined
  /** The first event of the last so many ms, and all after it. */
  readonly since?: number | undefined
}

/** @throws Temporary when Consul is away; Denied when the token may not read them */
export async function readEvents(consul: Consul, asked: Asked): Promise<Shown[]> {
  const services = asked.service === undefined ? await knownServices(consul) : [asked.service]
  const all = await Promise.all(services.map(service => eventsOf(consul, service)))
  return chosen(merged(all), asked, Date.now())
}

async function eventsOf(consul: Consul, service: string): Promise<Shown[]> {
  const keys = keysOf(service)
  const prefixes = [eventsRoot(service), keys.events]
  const [own = [], asked = []] = apartBelow(await trees(consul, prefixes), prefixes)
  return inOrder(service, keys, own, asked).map(event => ({ ...event, service }))
}

/** The events that the rings of this machine still hold: more than Consul has. @throws Temporary when they cannot be read */
export function eventsHere(root: string, asked: Asked): Shown[] {
  const all = instancesHere(root, asked.service ?? null).map(({ service, instance, files }) => {
    const ring = readRing(files)
    const events = ring === null || ring === 'torn' ? [] : ring.events.map(({ event }) => event)
    return events.map(event => ({ ...event, index: event.index ?? 0, teller: instance, by: null, service }))
  })
  return chosen(all.flat(), asked, Date.now())
}

/** Each list is in order; so is the result, whatever services there are. */
function merged(all: readonly (readonly Shown[])[]): Shown[] {
  const one = all.flat()
  return all.length < 2 ? one : one.sort((a, b) => a.index - b.index || byName(a.service, b.service))
}

/**
 * Pure. A wall clock that is wrong shows too much, never too little: everything after the first event of the last `since` ms
 * is shown, by whatever clock that one was written.
 */
export function chosen(events: readonly Shown[], { partition, since }: Asked, now: number): Shown[] {
  const first = since === undefined ? 0 : events.findIndex(({ at }) => at >= now - since)
  const after = first < 0 ? [] : events.slice(first)
  return partition === undefined ? after : after.filter(event => isAbout(event, partition))
}

/** An event of many partitions does not name all of them. */
function isAbout({ partitions, more }: Shown, partition: string): boolean {
  return partitions.includes(partition) || more > 0
}
