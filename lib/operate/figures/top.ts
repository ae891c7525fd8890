/** `watchbill top`: what each partition costs now, on this machine and, as far as they tell, on the others. */
import { decode } from '../../base/names.ts'
import { table } from '../../base/table.ts'
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { trees } from '../../consul/kv.ts'
import { figuresRoot, parseSummary, type Summary } from '../../keys/figures.ts'
import type { Figures } from '../../state/figures/here.ts'
import { age, bytes, number, percent } from './words.ts'

/** One partition's row. */
export interface TopRow {
  readonly partition: string
  readonly instance: string
  /** Processors; null when that is not known yet. */
  readonly cpu: number | null
  readonly memory?: number
  readonly files?: number
  readonly threads?: number
  readonly uptime?: number
  readonly restarts?: number
  /** What the program says of itself. */
  readonly own?: Readonly<Record<string, number>>
}

export interface TopInstance {
  readonly instance: string
  readonly partitions: number
  readonly cpu: number
  readonly memory: number
  /** The last tick, the smallest margin of the lease in the last minute, Consul's slowest answer in it; ms. */
  readonly tick: number | null
  readonly margin: number | null
  readonly consul: number | null
  /** When another machine wrote this, ISO; left out for this machine. */
  readonly at?: string
}

export interface Top {
  readonly service: string
  readonly instances: readonly TopInstance[]
  readonly partitions: readonly TopRow[]
}

/** The summaries of a service's instances, by instance. @throws Temporary when Consul is away */
export async function summaries(consul: Consul, service: string): Promise<Map<string, Summary>> {
  const root = figuresRoot(service)
  const found = (await trees(consul, [root])).flatMap(({ key, value }) => {
    const [instance, summary] = [decode(key.slice(root.length)), parseSummary(value)]
    return instance === null || summary === null ? [] : [[instance, summary] as const]
  })
  return new Map(found)
}

export const orders = ['cpu', 'memory', 'name'] as const
export type Order = (typeof orders)[number]

/** Pure. @param here the instances of this machine; @param others all that stands in Consul */
export function topOf(
  service: string,
  here: readonly Figures[],
  others: ReadonlyMap<string, Summary>,
  order: Order,
): Top {
  const local = new Set(here.map(({ instance }) => instance))
  const elsewhere = [...others].filter(([instance]) => !local.has(instance))
  const rows = [...here.flatMap(rowsHere), ...elsewhere.flatMap(rowsElsewhere)]
  return {
    service,
    instances: [...here.map(instanceHere), ...elsewhere.map(instanceElsewhere)],
    partitions: rows.sort((a, b) => compare(order, a, b)),
  }
}

function compare(order: Order, a: TopRow, b: TopRow): number {
  const byFigure = order === 'name' ? 0 : (b[order] ?? -1) - (a[order] ?? -1)
  return byFigure || byName(a.partition, b.partition)
}

function rowsHere({ instance, partitions }: Figures): TopRow[] {
  return [...partitions].map(([partition, { row, cores, own }]) => {
    const { memory, files, threads, uptime_s: uptime, restarts } = row.figures
    const known = Object.entries({ memory, files, threads, uptime, restarts }).filter(
      ([, value]) => value !== undefined,
    )
    return {
      partition,
      instance,
      cpu: cores,
      ...Object.fromEntries(known),
      ...(Object.keys(own).length > 0 && { own }),
    }
  })
}

function rowsElsewhere([instance, { partition }]: [string, Summary]): TopRow[] {
  const rows = Object.entries(partition)
  return rows.map(([id, [cpu, memory, restarts]]) => ({ partition: id, instance, cpu, memory, restarts }))
}

function instanceHere({ instance, last, minute, partitions }: Figures): TopInstance {
  const all = [...partitions.values()]
  const of = (name: string) => minute.flatMap(({ figures }) => figures[name] ?? [])
  const [margins, answers] = [of('margin_ms'), of('consul_ms')]
  return {
    instance,
    partitions: last?.figures.partitions ?? all.length,
    cpu: all.reduce((sum, { cores }) => sum + (cores ?? 0), 0),
    memory: all.reduce((sum, { row }) => sum + (row.figures.memory ?? 0), 0),
    tick: last?.figures.tick_ms ?? null,
    margin: margins.length > 0 ? Math.min(...margins) : null,
    consul: answers.length > 0 ? Math.max(...answers) : null,
  }
}

function instanceElsewhere([instance, summary]: [string, Summary]): TopInstance {
  const { partitions, cpu, memory, tick, margin, consul, at } = summary
  return { instance, partitions, cpu, memory, tick, margin, consul, at }
}

/** @param height so many lines at most; the page says what is left out */
export function topPage({ instances, partitions }: Top, height = Infinity): string[] {
  const who = instances.map(({ instance, at, ...one }) => [
    ...[instance, String(one.partitions), percent(one.cpu), bytes(one.memory)],
    ...[number(one.tick), number(one.margin), number(one.consul), at ?? 'now'],
  ])
  const head = table(['INSTANCE', 'PARTITIONS', 'CPU %', 'MEMORY', 'TICK ms', 'MARGIN ms', 'CONSUL ms', 'AS OF'], who)
  const room = Math.max(1, height - head.length - 3)
  const shown = partitions.slice(0, room)
  const what = shown.map(({ partition, instance, cpu, memory, files, threads, uptime, restarts, own }) => [
    ...[partition, instance, percent(cpu), bytes(memory), number(files), number(threads), age(uptime)],
    ...[number(restarts), ownWords(own)],
  ])
  const left = partitions.length - shown.length
  return [
    ...head,
    '',
    ...table(['PARTITION', 'INSTANCE', 'CPU %', 'MEMORY', 'FILES', 'THREADS', 'UP', 'RESTARTS', 'SAYS'], what),
    ...(left > 0 ? [`and ${left} more`] : []),
  ]
}

function ownWords(own: TopRow['own'] = {}): string {
  return Object.entries(own)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
