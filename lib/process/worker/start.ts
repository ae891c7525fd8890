/** Hands partitions to the worker, and starts it with the first of them. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { randomId } from '../../base/clock.ts'
import { lineOf, parseHanded } from '../../base/worker-line.ts'
import type { Definition } from '../../definition/definition.ts'
import { commonEnvironment } from '../../definition/environment.ts'
import { exclusively } from '../../state/exclusively.ts'
import { readFact, removeFact, writeFact } from '../../state/facts.ts'
import { partitionLease } from '../../state/lease.ts'
import { livingProcesses, type Terms, termsOf } from '../../state/local.ts'
import { type PartitionFiles, type WorkerFiles, workerOf } from '../../state/partition-paths.ts'
import { measure, shorten } from '../../state/worker-lease.ts'
import { launchShepherds, type Start } from '../shepherd/start.ts'
import { handOver, tellWorker } from './handed.ts'
import { endWorker, stopHanded } from './stop.ts'

/** How long to wait for a process that is starting, ms. After that the next look tells it. */
const patience = 200

/** @throws Temporary when an earlier worker cannot be ended */
export async function handToWorker(definition: Definition, starts: readonly Start[]): Promise<void> {
  const [first] = starts
  if (first === undefined) return
  const worker = workerOf(first.files)
  await finishStops(definition, starts)
  const terms = shortestTerms(starts)
  const running = canTake(worker, terms, first)
  if (!running) await endWorker(worker, [{ grace: terms.grace, signal: definition.stop.signal }])
  const begun = exclusively(worker, () => (running ? addTo(worker, starts) : begin(worker, starts, first, terms)))
  if (begun !== null) {
    await launch(definition, first, worker, begun, terms)
    exclusively(worker, () => removeFact(worker.changed))
  } else if (existsSync(worker.changed)) await tellLater(worker)
}

/**
 * A partition that the worker must stop is not handed to it again before that is confirmed: the confirmation would be
 * ambiguous.
 */
function finishStops(definition: Definition, starts: readonly Start[]): Promise<void> {
  const asked = starts.filter(({ files }) => existsSync(files.asked) && existsSync(files.handed))
  return takeFromWorker(definition, asked)
}

/**
 * Takes partitions back; their acquisitions stay.
 * @throws Temporary when the worker neither gives them back nor can be ended
 */
export async function takeFromWorker({ stop }: Definition, handed: readonly Start[]): Promise<void> {
  const stops = handed.map(({ partition, files, grace }) => ({
    partition,
    files,
    grace,
    signal: stop.signal,
    keeps: true,
  }))
  await stopHanded(stops, async () => {})
}

/** The worker must be gone when the shortest lease of its partitions and that one's grace period are over. */
function shortestTerms(starts: readonly Start[]): Terms {
  return {
    lease: Math.min(...starts.map(({ lease }) => lease)),
    grace: Math.min(...starts.map(({ grace }) => grace)),
  }
}

function canTake(worker: WorkerFiles, { lease, grace }: Terms, first: Start): boolean {
  const own = termsOf(worker)
  const living = existsSync(worker.acquisition) && livingProcesses(worker).shepherd !== null
  return living && own !== null && own.lease <= lease && own.grace <= grace && runsAs(worker, first)
}

/** It runs in this version, and was started by this roll-out, if one asks for a new start. */
function runsAs({ version: file }: WorkerFiles, { version, roll }: Start): boolean {
  const [now = '', by = ''] = readFact(file)?.split(' ') ?? []
  return now === version && (roll === undefined || by === roll)
}

function addTo(worker: WorkerFiles, starts: readonly Start[]): null {
  const lines = linesOf(starts)
  shorten(worker, [...lines.keys()].map(partitionLease))
  handOver(worker, lines)
  tellWorker(worker)
  return null
}

/** @returns the acquisition of the new worker: its shepherd starts it only while that is in force */
function begin(worker: WorkerFiles, starts: readonly Start[], first: Start, { lease, grace }: Terms): string {
  const { releasing, exit, stopping, confirmations, read, report } = worker
  for (const fact of [releasing, exit, stopping, confirmations, read, report]) removeFact(fact)
  const acquisition = randomId()
  writeFact(worker.acquisition, acquisition)
  writeFact(worker.terms, `${lease} ${grace}`)
  if (first.version === '' && first.roll === undefined) removeFact(worker.version)
  else writeFact(worker.version, `${first.version} ${first.roll ?? ''}`)
  handOver(worker, linesOf(starts))
  measure(worker)
  return acquisition
}

/** The lines of partitions that may still be started. A partition that was handed over before keeps its line. */
function linesOf(starts: readonly Start[]): Map<PartitionFiles, string> {
  const current = starts.filter(({ files, acquisition }) => readFact(files.acquisition) === acquisition)
  return new Map(current.map(start => [start.files, earlierLine(start) ?? newLine(start)] as const))
}

function earlierLine({ files, token }: Start): string | null {
  const line = readFact(files.handed)
  return parseHanded(line)?.token === token ? line : null
}

function newLine({ partition: id, token, files }: Start): string {
  const document = existsSync(files.document) ? files.document : null
  return lineOf({ id, token, document, since: new Date().toISOString() })
}

function launch(definition: Definition, first: Start, files: WorkerFiles, acquisition: string, terms: Terms) {
  const { service, instance, node, version } = first
  const values = { service, instance, node, version }
  const environment = {
    ...commonEnvironment(definition, values),
    WATCHBILL_ASSIGNMENT: files.assignment,
    WATCHBILL_STOPPING: files.stopping,
    WATCHBILL_CONFIRMATIONS: files.confirmations,
    WATCHBILL_REPORT: files.report,
    WATCHBILL_METRICS: files.metrics,
    ...(definition.ready === 'confirm' ? { WATCHBILL_READY: files.report } : {}),
  }
  return launchShepherds(definition, [{ files, acquisition, ...terms, values, environment }])
}

async function tellLater(worker: WorkerFiles): Promise<void> {
  for (let waited = 0; existsSync(worker.changed) && waited < patience; waited += 20) {
    await delay(20)
    exclusively(worker, () => tellWorker(worker))
  }
}
