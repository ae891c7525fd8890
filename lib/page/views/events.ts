/** What happened, in the one order of `watchbill events`, the last first; and the moves of the last hour on a line of time. */
import { shellWords } from '../../base/printable.ts'
import { byName } from '../../base/text.ts'
import { isRefusal } from '../../consul/permission.ts'
import { readEvents, type Shown } from '../../operate/events/read.ts'
import { eventJson, eventLine } from '../../operate/events/words.ts'
import { Html, html, link, type Part } from '../html.ts'
import type { Sight } from '../sight.ts'
import { view } from '../view.ts'
import { instanceLink, section, serviceLink, tableOf } from './pieces.ts'

export interface EventsView {
  /** As `watchbill events --json` prints them, the first first. */
  readonly events: readonly object[]
  /** The same for people. */
  readonly lines: readonly string[]
}

/** The most events of a view, and of a part of another one. */
const most = { view: 500, part: 20 }
const hour = 3_600_000

/** Read once for all who look; of all services when none is named. */
export function eventsOf(sight: Sight, service: string | undefined, partition?: string): Promise<Shown[]> {
  const name = `events ${service ?? ''}\n${partition ?? ''}`
  return sight.kept(name, service ?? null, () => readEvents(sight.consul, { service, partition }))
}

export const events = view<EventsView>({
  path: '/events',
  asks: ['service', 'partition'],
  about: 'What happened, as `watchbill events --json` prints it, and the same as lines for people.',
  command: ({ service, partition }) =>
    `watchbill events ${shellWords(...[service, partition].flatMap(word => word || []))}`.trimEnd(),
  title: ({ service, partition }) => `Events${partition ? ` of ${partition}` : ''}${service ? ` of ${service}` : ''}`,
  async data({ sight, query: { service, partition } }) {
    if (service) await sight.whole(service)
    const all = (await eventsOf(sight, service || undefined, partition || undefined)).slice(-most.view)
    return { events: all.map(eventJson), lines: all.map(one => eventLine(one, !service)) }
  },
  html: ({ lines }) => listOf(lines),
  more: async ({ sight, query: { service } }) =>
    service
      ? html``
      : html`<p>Each service has its own: ${(await sight.services()).map(one => html`${serviceLink(one)} `)}</p>`,
})

function listOf(lines: readonly string[]): Html {
  if (lines.length === 0) return html`<p>nothing happened</p>`
  return html`<ol class="events" tabindex="0" aria-label="events, the last first">${lines.toReversed().map(line => html`<li>${line}</li>`)}</ol>`
}

/** The last events, for another view. A token that may not read them sees why. */
export async function eventsPart(sight: Sight, service: string, partition?: string): Promise<Html> {
  const all = await eventsOf(sight, service, partition).catch((error: unknown) => {
    if (isRefusal(error) && error instanceof Error) return error.message
    throw error
  })
  if (typeof all === 'string') return section('events', 'Events', html`<p class="remark">${all}</p>`)
  const lines = all.slice(-most.part).map(one => eventLine(one))
  const line = partition === undefined ? timeLine(service, all, Date.now()) : html``
  const rest = html`<p><a href="${link('/events', { service, partition })}">All that is known</a></p>`
  return html`${line}${section('events', 'Events', html`${listOf(lines)}${rest}`)}`
}

/** Where a partition came from or went to. */
const marks = new Map<string, readonly [tone: string, path: string]>(
  Object.entries({
    ...{ acquired: ['good', 'M-3 0l3-4 3 4-3 4z'], reclaimed: ['good', 'M-3 0l3-4 3 4-3 4z'] },
    ...{ moved: ['move', 'M-4-3h4v-2l4 5-4 5v-2h-4z'], released: ['move', 'M-4-3h4v-2l4 5-4 5v-2h-4z'] },
    ...{ 'taken over': ['wait', 'M-4 4l4-8 4 8z'], lost: ['bad', 'M-4-4l8 8M4-4l-8 8z'] },
  } as const),
)

/** Pure. */
export function timeLine(service: string, all: readonly Shown[], now: number): Html {
  const moves = all.filter(
    ({ what, at, teller }) => marks.has(what) && teller !== null && at >= now - hour && at <= now + 60_000,
  )
  if (moves.length === 0) return section('moves', 'Moves of the last hour', html`<p>none</p>`)
  const byTeller = [...Map.groupBy(moves, ({ teller }) => teller as string)].sort(([a], [b]) => byName(a, b))
  const rows = byTeller.map(([teller, some]): Part[] => [
    instanceLink(service, teller),
    lineOf(teller, some, now),
    new Set(some.flatMap(({ partitions }) => partitions)).size,
  ])
  const legend = html`<p><small>from an hour ago to now; &#9670; acquired, &#10140; moved or released, &#9650; taken over, &#10006; lost</small></p>`
  return section(
    'moves',
    'Moves of the last hour',
    html`${tableOf('moves of the last hour', ['Instance', 'When', 'Partitions'], rows)}${legend}`,
  )
}

function lineOf(teller: string, moves: readonly Shown[], now: number): Html {
  const drawn = moves.map(({ what, at }) => {
    const [tone, path] = marks.get(what) ?? ['rest', '']
    const x = Math.min(600, Math.max(0, 600 - (600 * (now - at)) / hour))
    return new Html(`<path class="${tone}" transform="translate(${x.toFixed(1)} 8)" d="${path}"/>`)
  })
  const counts = [...Map.groupBy(moves, ({ what }) => what)].map(([what, some]) => `${some.length} ${what}`).join(', ')
  return html`<svg class="time" role="img" aria-label="${`${teller}: ${counts}`}" viewBox="-8 0 616 16"><path class="axis" d="M0 8h600"/>${drawn}</svg>`
}
