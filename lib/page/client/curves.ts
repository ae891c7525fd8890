/** The last hour as curves. */
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { keyHeaders } from './key.ts'

type Row = { readonly at: string } & Record<string, unknown>
type Curve = readonly [title: string, field: string, unit: string, scale: number]

const ofPartition: readonly Curve[] = [
  ['processors', 'cores', '%', 100],
  ['memory', 'memory', 'MiB', 1 / 1024 / 1024],
  ['restarts', 'restarts', '', 1],
]
const ofInstance: readonly Curve[] = [
  ['lease margin', 'margin_ms', 'ms', 1],
  ['tick', 'tick_ms', 'ms', 1],
  ['Consul’s slowest answer', 'consul_ms', 'ms', 1],
]

/** How often they are drawn anew, ms: a row is written every 30 s, of an instance with every tick. */
const every = 10_000
const drawn = new WeakMap<Element, number>()

export async function drawCurves(box: HTMLElement): Promise<void> {
  if (performance.now() - (drawn.get(box) ?? -every) < every) return
  drawn.set(box, performance.now())
  const asked = JSON.parse(box.dataset.curves ?? '{}') as Record<string, string>
  const answer = await fetch(`/history?${new URLSearchParams(asked)}`, {
    headers: { ...keyHeaders(), accept: 'application/json' },
  })
  box.setAttribute('data-kept', '')
  if (!answer.ok) {
    box.textContent = 'There are no figures of the last hour here yet.'
    return
  }
  const { rows } = (await answer.json()) as { rows: Row[] }
  const curves = asked.partition === undefined ? ofInstance : ofPartition
  box.replaceChildren(...curves.map(curve => draw(rows, curve, box.clientWidth)))
}

function draw(rows: readonly Row[], [title, field, unit, scale]: Curve, room: number): HTMLElement {
  const figure = document.createElement('figure')
  const times = rows.map(({ at }) => Date.parse(at) / 1000)
  const values = rows.map(row => (typeof row[field] === 'number' ? (row[field] as number) * scale : null))
  const known = values.filter(value => value !== null)
  const words =
    known.length === 0
      ? 'nothing known'
      : `${Math.min(...known).toFixed(1)} to ${Math.max(...known).toFixed(1)} ${unit}`
  const caption = document.createElement('figcaption')
  caption.textContent = `${title}: ${words}`
  figure.append(caption)
  if (known.length === 0) return figure
  const style = getComputedStyle(document.body)
  const ink = style.color
  const axis = {
    stroke: ink,
    grid: { stroke: style.getPropertyValue('--line') },
    ticks: { stroke: style.getPropertyValue('--line') },
  }
  const width = Math.max(240, Math.min(room, 600))
  const box = document.createElement('div')
  box.setAttribute('role', 'img')
  box.setAttribute('aria-label', caption.textContent)
  figure.append(box)
  new uPlot(
    {
      ...{ width, height: 140, legend: { show: false }, cursor: { drag: { x: false, y: false } } },
      axes: [axis, { ...axis, size: 56 }],
      series: [{}, { stroke: style.getPropertyValue('--accent'), width: 1.5 }],
    },
    [times, values],
    box,
  )
  return figure
}
