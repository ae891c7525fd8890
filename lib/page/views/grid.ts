/**
 * The grid: a row for each instance, a sign for each partition that it has. Up to 60 partitions each has a column of its own, so
 * that a move is a step to another row; more are packed, so that 10,000 are seen at once. Each state is one path of an SVG: a
 * drawing of 10,000 signs is a few hundred KB, and no script is needed for it. What stands under the pointer the client works
 * out from the ids, which come along.
 */
import { byName } from '../../base/text.ts'
import type { PartitionStatus } from '../../operate/status/partitions.ts'
import type { Status } from '../../operate/status/status.ts'
import { Html, html } from '../html.ts'
import { countStates, pathAt, type State, stateNames, states } from '../states.ts'
import { instanceLink } from './pieces.ts'

/** The most partitions that have a column each; and how many stand in a line when there are more. */
const mostColumns = 60
const line = 50

/** How large a sign is: the classes of the stylesheet. */
const sizes: Readonly<Record<string, string>> = { 2: 'larger', 3: 'largest' }

/** @param shown those of the status that are to be shown */
export function grid(
  { service, instances, partitions }: Status,
  shown: readonly PartitionStatus[],
  size: string | undefined,
): Html {
  const columns = partitions.length <= mostColumns ? new Map(partitions.map((one, at) => [one.partition, at])) : null
  const byHolder = Map.groupBy(shown, ({ instance }) => instance)
  const names = new Set(
    [...instances.map(({ instance }) => instance), ...byHolder.keys()].filter(name => name !== null),
  )
  const rows = [...names].sort(byName).map(instance => row(service, instance, byHolder.get(instance) ?? [], columns))
  const idle = byHolder.get(null) ?? []
  return html`<div class="grid ${sizes[size ?? ''] ?? 'fit'}" tabindex="0" role="region" aria-label="the grid" data-service="${service}" data-states="${stateNames.join(' ')}">${rows}${idle.length > 0 && row(service, null, idle, columns)}</div>
<p class="under" role="status" data-under></p>`
}

function row(
  service: string,
  instance: string | null,
  all: readonly PartitionStatus[],
  columns: ReadonlyMap<string, number> | null,
): Html {
  const width = columns === null ? line : Math.max(1, columns.size)
  const places = all.map(({ partition }, at) => columns?.get(partition) ?? at)
  const height = Math.max(1, Math.ceil((Math.max(0, ...places) + 1) / width))
  const paths = new Map<State, string[]>()
  all.forEach(({ state }, at) => {
    const place = places[at] as number
    const path = pathAt(state, 10 * (place % width), 10 * Math.floor(place / width))
    paths.set(state, [...(paths.get(state) ?? []), path])
  })
  return html`<div class="holder"><div class="who">${instanceLink(service, instance)} <small>${all.length}</small></div>
<svg role="img" aria-label="${`${instance ?? 'nobody'}: ${inWords(all)}`}" viewBox="0 0 ${10 * width} ${10 * height}" width="${Math.min(960, (columns === null ? 16 : 24) * width)}" class="w${width > line ? 60 : line}" data-width="${width}" data-ids="${JSON.stringify(
    all.map(({ partition, state }, at) => [partition, stateNames.indexOf(state), places[at]]),
  )}">${[...paths].map(([state, some]) => new Html(`<path class="${states[state].tone}" d="${some.join('')}"/>`))}</svg></div>`
}

function inWords(all: readonly PartitionStatus[]): string {
  const counts = Object.entries(countStates(all)).map(([state, count]) => `${count} ${state}`)
  return counts.join(', ') || 'no partitions'
}
