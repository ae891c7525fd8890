/** What an instance costs each second when nothing happens, of what each of its acts costs. */

import type { Size } from './filled.ts'
import type { Cost, Figures } from './one.ts'

/** Of the guard, s. */
const interval = 2
/** How long a look stands for the next ones, in the middle, s: see lib/look/unchanged.ts. */
const between = 270

/** How seldom the indexes are asked, s: see lib/look/looked.ts. */
export function pauseOf({ instances }: Size): number {
  return Math.min(300, Math.max(10, instances / 10))
}

function eachSecond({ size, costs }: Figures, of: (cost: Cost) => number): { ticks: number; rest: number } {
  const index = Math.max(0, of(costs.index) - of(costs.tick))
  return { ticks: of(costs.tick) / interval, rest: index / pauseOf(size) + of(costs.look) / between }
}

/** Bytes each second. */
export function beyondProof(figures: Figures): number {
  return eachSecond(figures, ({ bytes }) => bytes).rest
}

/** Cores. */
export function cpuAtRest(figures: Figures): number {
  const { ticks, rest } = eachSecond(figures, ({ cpu }) => cpu)
  return ticks + rest
}

/** Cores of the server that all instances of the service need together. */
export function allServer(figures: Figures): number {
  const { ticks, rest } = eachSecond(figures, ({ server }) => server)
  return (ticks + rest) * figures.size.instances
}

export function nameOf({ partitions, instances }: Size): string {
  return `${partitions}x${instances}`
}
