/** Checks of figures: whether one is above or below a bound, or has stood still for too long. */
import { bootClock } from '../base/clock.ts'
import { encode } from '../base/names.ts'
import type { CheckDefinition, FigureCheck } from '../definition/checks.ts'
import { type Process, parseProcess, startMs, stateOf } from '../machine/identity.ts'
import { usageOf } from '../machine/usage.ts'
import { readFact, readLine } from '../state/facts.ts'
import { keyOf, labelsIn, type Own, readOwn, type Sample } from '../state/figures/own.ts'
import { recentOf } from '../state/figures/recent.ts'
import { workerName } from '../state/figures/rings.ts'
import { type PartitionFiles, runnerOf } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { type CheckState, observed, type Status } from './state.ts'
import type { Watched } from './watched.ts'

/** Measures what is due. @param ahead how much too early that may be, ms @param passed called for each that passed */
export function measureDue(
  files: InstanceFiles,
  all: readonly Watched[],
  ahead: (watched: Watched) => number,
  passed: (watched: Watched) => void,
): void {
  const now = bootClock()
  for (const watched of all) {
    const { check, partition, state } = watched
    if (check.figure === undefined || state.due > now + ahead(watched)) continue
    const next = state.due + check.intervalMs
    const due = { ...state, due: next > now ? next : now + check.intervalMs }
    const value = figureNow(files, partition, check.figure.metric)
    watched.state = judged(due, check, check.figure, value, now)
    if (value !== null && watched.state.status === 'passing') passed(watched)
  }
}

/** Pure. @param value null when the figure is not known: that is no reason to act */
export function judged(
  state: CheckState,
  { intervalMs }: Pick<CheckDefinition, 'intervalMs'>,
  figure: FigureCheck,
  value: number | null,
  now: number,
): CheckState {
  const { metric } = figure
  if (value === null) return observed(without(state), 'passing', `${metric} is not known`, now)
  // A round that came very late has not seen what was between.
  const wasSeen = state.value === value && state.seen !== undefined && now - state.seen < 3 * intervalMs + 30_000
  const since = wasSeen ? (state.valueSince ?? now) : now
  const why = whyNot(figure, value, now - since)
  const status: Status = why === null ? 'passing' : 'critical'
  // A text that changes all the time would be sent to Consul all the time.
  const output = why === null ? `${metric} is within its bounds` : `${metric} is ${value}${why}`
  return observed({ ...state, value, valueSince: since, seen: now }, status, output, now)
}

function without({ value: _v, valueSince: _s, seen: _n, ...state }: CheckState): CheckState {
  return state
}

function whyNot({ above, below, unchangedMs }: FigureCheck, value: number, stood: number): string | null {
  if (above !== undefined && value > above) return `, above ${above}`
  if (below !== undefined && value < below) return `, below ${below}`
  return unchangedMs !== undefined && stood >= unchangedMs ? `, unchanged for ${unchangedMs / 1000} s` : null
}

/** The figure of a partition now; null when it is not known. */
function figureNow(files: InstanceFiles, partition: string, metric: string): number | null {
  const own = files.partition(partition)
  const runner = runnerOf(own)
  const process = parseProcess(readLine(runner.process))
  if (process === null || stateOf(process) === 'gone') return null
  const name = runner === own ? encode(partition) : workerName
  if (metric === 'cpu') return recentOf(files, name, bootClock())?.cores ?? null
  if (metric === 'uptime') return Math.max(0, Math.round((bootClock() - startMs(process)) / 1000))
  if (metric === 'restarts') return numberIn(readLine(runner.restarts))
  if (isMeasured(metric)) return usageOf(process.pid, readFact(runner.group))[metric] ?? null
  return ownFigure(ownOf(runner, process), metric, runner === own ? null : partition)
}

const measured = ['memory', 'files', 'threads', 'processes'] as const

function isMeasured(metric: string): metric is (typeof measured)[number] {
  return measured.some(one => one === metric)
}

function ownOf({ metrics }: PartitionFiles, process: Process): Own | null {
  try {
    return readOwn(metrics, process)
  } catch {
    return null
  }
}

/**
 * A figure with its labels as they stand, or the sum of all that have the name.
 * @param partition of one process for all: only samples with this label are about it
 */
export function ownFigure(own: Own | null, metric: string, partition: string | null): number | null {
  const about = ({ labels }: Sample) =>
    partition === null || labelsIn(labels).some(([name, value]) => name === 'partition' && value === partition)
  const all = own?.samples.filter(about) ?? []
  const exact = all.find(sample => keyOf(sample) === metric)
  if (exact !== undefined) return finite(exact.value)
  const named = all.filter(({ name }) => name === metric)
  return named.length === 0 ? null : finite(named.reduce((sum, { value }) => sum + value, 0))
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function numberIn(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}
