/** The figures of this machine as metrics, named by Prometheus' conventions: base units, `_total` for what only grows. */
import { partsOf } from '../../base/names.ts'
import { parseProcess } from '../../machine/identity.ts'
import { readLine } from '../../state/facts.ts'
import { type Figures, figuresOf, instancesHere } from '../../state/figures/here.ts'
import { isHandler, totalsOf } from '../../state/figures/notes.ts'
import { type Own, readOwn } from '../../state/figures/own.ts'
import type { Recent } from '../../state/figures/recent.ts'
import { workerName } from '../../state/figures/rings.ts'
import { ownMetrics } from './own-metrics.ts'
import { labelsOf, type Metric } from './text.ts'

type Figure = (row: Readonly<Record<string, number>>, recent: Recent) => number | undefined

/** The figure of a row, in its base unit. */
const from = (name: string, divisor = 1): Figure => {
  return row => (row[name] === undefined ? undefined : row[name] / divisor)
}

type Described = readonly [name: string, type: 'counter' | 'gauge', help: string, figure: Figure]

/** Of each partition. The tests read this list too: alert rules and the dashboard may name nothing else. */
const ofPartition: readonly Described[] = [
  ['cpu_seconds_total', 'counter', 'CPU time that all processes of the partition used.', from('cpu_ms', 1000)],
  ['memory_bytes', 'gauge', 'Memory of its control group; without one, resident memory.', from('memory')],
  ['open_files', 'gauge', 'Open file descriptors of its processes.', from('files')],
  ['threads', 'gauge', 'Threads of its processes.', from('threads')],
  ['processes', 'gauge', 'Processes of the partition.', from('processes')],
  ['up', 'gauge', 'Whether its process runs: 1 or 0.', row => (row.uptime_s === undefined ? 0 : 1)],
  ['start_time_seconds', 'gauge', 'When its process was started, since the epoch.', startTime],
  ['restarts_total', 'counter', 'Restarts of its process since it was acquired.', from('restarts')],
  ['exits_total', 'counter', 'How often its process ended by itself since then.', from('exits')],
  ['acquisitions_total', 'counter', 'How often it was acquired, on any machine.', from('acquired')],
  ['hand_over_seconds', 'gauge', 'How long its last hand-over from here took.', from('hand_over_ms', 1000)],
  [
    'takeover_seconds',
    'gauge',
    'How long its lock stood free before this instance took it over.',
    from('takeover_ms', 1000),
  ],
]

/** Of each instance. */
const ofInstance: readonly Described[] = [
  ['guard_runs_total', 'counter', 'Ticks of the guard.', from('ticks')],
  ['guard_seconds_total', 'counter', 'Time that its ticks took.', from('ticks_ms', 1000)],
  ['guard_cpu_seconds_total', 'counter', 'CPU time that its ticks took.', from('ticks_cpu_ms', 1000)],
  ['consul_requests_total', 'counter', 'Requests of the guard to Consul.', from('requests')],
  ['consul_request_seconds_total', 'counter', 'Time that they took.', from('requests_ms', 1000)],
  ['partitions', 'gauge', 'Partitions that are here.', from('partitions')],
  ['locks_held', 'gauge', 'Locks that the last tick proved to be held.', from('proved')],
  ['locks_lost_total', 'counter', 'Locks found lost by ticks, each as often as it was found.', from('lost_all')],
]

const ofHandlers: readonly [name: string, help: string, at: number, divisor: number][] = [
  ['handler_runs_total', 'Runs of each handler.', 0, 1],
  ['handler_seconds_total', 'Time that they took.', 1, 1000],
  ['handler_cpu_seconds_total', 'CPU time that they took.', 2, 1000],
  ['handler_consul_requests_total', 'Their requests to Consul.', 3, 1],
  ['handler_consul_bytes_total', 'Characters that Consul answered them.', 4, 1],
]

const ofDeeds: readonly [name: string, help: string, deed: string, at: number, divisor: number][] = [
  ['acquired_total', 'Partitions that this instance acquired.', 'acquired', 0, 1],
  ['hand_overs_total', 'Partitions that it handed over.', 'hand-over', 0, 1],
  ['hand_over_seconds_total', 'Time from the order to stop until the lock was given back.', 'hand-over', 1, 1000],
  ['takeovers_total', 'Partitions that it took over from lost instances.', 'takeover', 0, 1],
  ['takeover_seconds_total', 'Time that their locks stood free before.', 'takeover', 1, 1000],
]

const ofTime: readonly Described[] = [
  ['guard_last_run_timestamp_seconds', 'gauge', 'When the guard last wrote figures, since the epoch.', () => undefined],
  ['lease_margin_seconds', 'gauge', 'The least time that was left of the lease in the last minute.', () => undefined],
  [
    'consul_slowest_request_seconds',
    'gauge',
    "Consul's slowest answer to the guard in the last minute.",
    () => undefined,
  ],
  ['guard_slowest_run_seconds', 'gauge', 'The longest tick in the last minute.', () => undefined],
]

/** The names of all metrics that watchbill itself has. */
export const metricNames: readonly string[] = [
  ...ofPartition.map(([name]) => `watchbill_partition_${name}`),
  ...[...ofInstance, ...ofTime, ...ofHandlers, ...ofDeeds].map(([name]) => `watchbill_${name}`),
]

/**
 * All metrics of the instances on this machine.
 * @param service null for all services @param say is told, in a line, what a program says that is none
 * @throws Temporary when the state directory cannot be read
 */
export function metricsHere(root: string, service: string | null, say: (line: string) => void): Metric[] {
  const all = instancesHere(root, service).map(here => figuresOf(here))
  const rows = all.flatMap(one => [...one.partitions].map(([id, recent]) => ({ one, id, recent })))
  const partitions = ofPartition.map(([name, type, help, figure]): Metric => {
    const samples = rows.flatMap(({ one, id, recent }) =>
      sample(labelsOf({ ...who(one), partition: id }), figure(recent.row.figures, recent)),
    )
    return { name: `watchbill_partition_${name}`, type, help, samples }
  })
  const said = rows.flatMap(({ one, id, recent }) => {
    const own = recent.row.figures.uptime_s === undefined ? null : ownOf(one, id, say)
    return own === null ? [] : [{ own, labels: { ...who(one), partition: id } }]
  })
  return [...(all.length > 0 ? instanceMetrics(all) : []), ...partitions, ...ownMetrics(said, say)]
}

function instanceMetrics(all: readonly Figures[]): Metric[] {
  const rows = ofInstance.map(([name, type, help, figure]): Metric => {
    const samples = all.flatMap(one => {
      return one.last === null ? [] : sample(labelsOf(who(one)), figure(one.last.figures, undefined as never))
    })
    return { name: `watchbill_${name}`, type, help, samples }
  })
  const times = ofTime.map(([name, type, help]): Metric => {
    const samples = all.flatMap(one => sample(labelsOf(who(one)), timeOf(one, name)))
    return { name: `watchbill_${name}`, type, help, samples }
  })
  const totals = all.map(one => ({ one, totals: totalsOf(one.files) }))
  const handlers = ofHandlers.map(([name, help, at, divisor]): Metric => {
    const samples = totals.flatMap(({ one, totals }) =>
      [...totals]
        .filter(([handler]) => isHandler(handler))
        .flatMap(([handler, sums]) => sample(labelsOf({ ...who(one), handler }), (sums[at] ?? 0) / divisor)),
    )
    return { name: `watchbill_${name}`, type: 'counter', help, samples }
  })
  const deeds = ofDeeds.map(([name, help, deed, at, divisor]): Metric => {
    const samples = totals.flatMap(({ one, totals }) =>
      sample(labelsOf(who(one)), (totals.get(deed)?.[at] ?? 0) / divisor),
    )
    return { name: `watchbill_${name}`, type: 'counter', help, samples }
  })
  return [...rows, ...times, ...handlers, ...deeds]
}

/** No label is called `instance`: Prometheus gives that one to whatever it scrapes. */
function who({ service, instance }: Figures) {
  const { node, serviceId } = partsOf(instance)
  return { service, node, service_id: serviceId }
}

function sample(labels: string, value: number | undefined): { labels: string; value: number }[] {
  return value === undefined ? [] : [{ labels, value }]
}

function startTime(_row: unknown, { row: { at, figures } }: Recent): number | undefined {
  return figures.uptime_s === undefined ? undefined : at - figures.uptime_s
}

function timeOf({ lastRun, minute }: Figures, name: string): number | undefined {
  const of = (figure: string) => minute.flatMap(({ figures }) => figures[figure] ?? [])
  const among = (pick: 'min' | 'max', figures: readonly number[]) =>
    figures.length === 0 ? undefined : Math[pick](...figures) / 1000
  if (name === 'guard_last_run_timestamp_seconds') return lastRun ?? undefined
  if (name === 'lease_margin_seconds') return among('min', of('margin_ms'))
  return among('max', of(name === 'guard_slowest_run_seconds' ? 'tick_ms' : 'consul_ms'))
}

/** The whole file, not only what is kept for an hour. */
function ownOf({ files, instance }: Figures, partition: string, say: (line: string) => void): Own | null {
  const { metrics, process: runs } = partition === workerName ? files.worker : files.partition(partition)
  try {
    const process = parseProcess(readLine(runs))
    const own = process && readOwn(metrics, process)
    if (own !== null && own.bad.length > 0)
      say(`${instance}: ${partition}: in ${metrics} cannot be read: ${own.bad.join(' | ')}`)
    return own
  } catch {
    return null // given back meanwhile
  }
}
