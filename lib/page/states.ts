/** How the states of partitions look: a colour and a shape for each, so that neither is needed alone. */
import type { PartitionStatus } from '../operate/status/partitions.ts'
import { Html, html } from './html.ts'

export type State = PartitionStatus['state']

/** In the order of legends: what needs a person first. The class names a colour; the path is drawn in a square of 10 × 10. */
export const states = {
  'crash-looping': { tone: 'bad', path: 'M2 1l3 3 3-3 1 1-3 3 3 3-1 1-3-3-3 3-1-1 3-3-3-3z' },
  failing: { tone: 'bad', path: 'M4 1h2v3h3v2h-3v3h-2v-3h-3v-2h3z' },
  critical: { tone: 'bad', path: 'M5 1l4 8h-8z' },
  unassigned: { tone: 'bad', path: 'M1 1h8v8h-8zM3 3v4h4v-4z' },
  waiting: { tone: 'wait', path: 'M1 1h8l-3 4 3 4h-8l3-4z' },
  drained: { tone: 'wait', path: 'M1 1h8l-4 8z' },
  moving: { tone: 'move', path: 'M1 4h4v-3l4 4-4 4v-3h-4z' },
  starting: { tone: 'move', path: 'M5 1l4 4-4 4-4-4z' },
  held: { tone: 'rest', path: 'M2 1h2v8h-2zM6 1h2v8h-2z' },
  finished: { tone: 'rest', path: 'M1 5l1-1 2 2 4-4 1 1-5 5z' },
  removed: { tone: 'rest', path: 'M1 4h8v2h-8z' },
  running: { tone: 'good', path: 'M5 1a4 4 0 1 0 .01 0z' },
} as const satisfies Record<State, { tone: string; path: string }>

export const stateNames = Object.keys(states) as State[]

/** The path with its first point moved. Each begins with an absolute M, and may have further ones. */
export function pathAt(state: State, x: number, y: number): string {
  return states[state].path.replace(/M([\d.]+) ([\d.]+)/g, (_, left, top) => `M${Number(left) + x} ${Number(top) + y}`)
}

/** A sign with its word beside it, which is what a screen reader reads. */
export function sign(state: State): Html {
  return html`<span class="state ${states[state].tone}">${shape(state)}${state}</span>`
}

export function shape(state: State): Html {
  return new Html(
    `<svg class="shape ${states[state].tone}" viewBox="0 0 10 10" aria-hidden="true"><path d="${states[state].path}"/></svg>`,
  )
}

/** How many partitions are in each state that occurs. */
export function countStates(partitions: readonly Pick<PartitionStatus, 'state'>[]): Partial<Record<State, number>> {
  const counts: Partial<Record<State, number>> = {}
  for (const { state } of partitions) counts[state] = (counts[state] ?? 0) + 1
  return counts
}

/** The bar of a service: as wide as there are partitions of each state, and the same in words. */
export function bar(counts: Partial<Record<State, number>>): Html {
  const there = stateNames.filter(state => counts[state]).reverse()
  const all = there.reduce((sum, state) => sum + (counts[state] ?? 0), 0)
  let x = 0
  const parts = there.map(state => {
    const width = (100 * (counts[state] ?? 0)) / all
    const rect = new Html(
      `<rect class="${states[state].tone}" x="${x.toFixed(2)}" y="0" width="${width.toFixed(2)}" height="6"/>`,
    )
    x += width
    return rect
  })
  const words = there.map(state => html`<span class="count">${shape(state)} ${counts[state]} ${state}</span> `)
  return html`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">${parts}</svg><span class="counts">${words}</span>`
}
