/** `watchbill history`: the last hour of an instance, or of one partition, as this machine has written it down. */
import { encode } from '../../base/names.ts'
import { table } from '../../base/table.ts'
import type { Here } from '../../state/figures/here.ts'
import { ownFrom } from '../../state/figures/own.ts'
import { coresBetween } from '../../state/figures/recent.ts'
import { allRows, type Row } from '../../state/figures/ring.ts'
import { ownRing, partitionRing, ringFiles, workerName } from '../../state/figures/rings.ts'
import { age, bytes, number, percent } from './words.ts'

/** A row with its own names: those of the columns in the file. */
export interface Past {
  /** ISO, by this machine's clock. */
  readonly at: string
  /** Boot clock, ms. */
  readonly boot: number
  readonly [figure: string]: number | string | Readonly<Record<string, number>> | null
}

export interface History {
  readonly instance: string
  readonly rows: readonly Past[]
}

export function instanceHistory({ instance, files, ring }: Here, now: number): History {
  return { instance, rows: allRows(files.instanceRing, ring, now).map(plain) }
}

/** The rows of a partition; with one process for all, where the partition has none, those of that process. */
export function partitionHistory({ instance, files }: Here, partition: string, now: number): History {
  const own = ringFiles(files, partition === workerName ? workerName : encode(partition))
  const rows = allRows(own.partition, partitionRing, now)
  const says = new Map(allRows(own.own, ownRing, now).map(({ boot, text }) => [boot, ownFrom(text)]))
  const told = rows.map((row, at) => {
    const before = rows[at - 1]
    const cores = before === undefined ? null : coresBetween(before, row)
    const said = says.get(row.boot)
    return { ...plain(row), cores, ...(said && { says: said }) }
  })
  return { instance, rows: told }
}

function plain({ at, boot, figures }: Row): Past {
  return { at: new Date(at * 1000).toISOString().replace('.000', ''), boot, ...figures }
}

/** One line for each minute, since an hour has 1,800 ticks. */
export function instancePage(rows: readonly Past[]): string[] {
  const minutes = [...Map.groupBy(rows, ({ boot }) => Math.floor(boot / 60_000)).values()]
  const lines = minutes.map(some => {
    const of = (name: string) => some.flatMap(row => (typeof row[name] === 'number' ? row[name] : []))
    const last = some.at(-1)
    return [
      ...[some[0]?.at ?? '', String(some.length), number(middle(of('tick_ms'))), number(most(of('tick_ms')))],
      ...[number(middle(of('tick_cpu_ms'))), number(least(of('margin_ms'))), number(most(of('consul_ms')))],
      ...[
        number(most(of('look_bytes'))),
        number(grown(of('handlers'))),
        number(last?.partitions as number | undefined),
      ],
      number(of('lost').reduce((sum, one) => sum + one, 0)),
    ]
  })
  const times = ['SINCE', 'TICKS', 'TICK ms', 'LONGEST', 'CPU ms', 'MARGIN ms', 'CONSUL ms']
  return table([...times, 'LOOK B', 'HANDLERS', 'PARTITIONS', 'LOST'], lines)
}

export function partitionPage(rows: readonly Past[]): string[] {
  const lines = rows.map(row => {
    const of = (name: string) => (typeof row[name] === 'number' ? row[name] : undefined)
    const says = typeof row.says === 'object' && row.says !== null ? row.says : {}
    return [
      ...[row.at, percent(of('cores') ?? null), bytes(of('memory')), number(of('files')), number(of('threads'))],
      ...[age(of('uptime_s')), number(of('restarts')), number(of('exit_code')), number(of('acquired'))],
      Object.entries(says)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
    ]
  })
  return table(['AT', 'CPU %', 'MEMORY', 'FILES', 'THREADS', 'UP', 'RESTARTS', 'EXIT', 'ACQUIRED', 'SAYS'], lines)
}

function middle(all: readonly number[]): number | undefined {
  return all.toSorted((a, b) => a - b)[all.length >> 1]
}

function most(all: readonly number[]): number | undefined {
  return all.length === 0 ? undefined : Math.max(...all)
}

function least(all: readonly number[]): number | undefined {
  return all.length === 0 ? undefined : Math.min(...all)
}

function grown(all: readonly number[]): number | undefined {
  const [first, last] = [all[0], all.at(-1)]
  return first === undefined || last === undefined ? undefined : Math.max(0, last - first)
}
