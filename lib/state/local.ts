/** The facts of the partitions that have a directory on this machine, from the state directory and from /proc. */
import { existsSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import type { WhenIsolated } from '../definition/definition.ts'
import { type Process, parseProcess, stateOf } from '../machine/identity.ts'
import { readFact, readLine, readUsual } from './facts.ts'
import { type Kept, keptOf } from './kept.ts'
import { isAheadOfClock, lastProof, never, partitionLease } from './lease.ts'
import { type PartitionFiles, type WorkerFiles, workerOf } from './partition-paths.ts'
import { type InstanceFiles, localPartitions } from './paths.ts'
import { saysFailing } from './worker-said.ts'

export interface Local {
  /** The acquisition that may run here; null when no process may be started. */
  readonly acquisition: string | null
  /** The acquisition that is being given back. */
  readonly releasing: string | null
  /** The lock's ModifyIndex once the lock is known to be ours; null before, and while that is in doubt. */
  readonly index: number | null
  readonly token: string | null
  /** When the lock was last known to be held, boot-clock ms. */
  readonly proof: number | null
  /** The instance's lease does not count for this partition: see state/lease.ts. */
  readonly pinned: boolean
  /** The lease is ahead of the clock, so it is over: see state/lease.ts. */
  readonly aheadOfClock: boolean
  /** The token, the terms and the lease are all written. */
  readonly whole: boolean
  /** The lease of the acquisition is not over. */
  readonly leaseRuns: boolean
  /** A live shepherd, and whether SIGSTOP holds it. */
  readonly shepherd: Process | null
  readonly stopped: boolean
  /** The process that the shepherd wrote down, if it is alive. */
  readonly process: Process | null
  /** The state directory of its shepherd: its own, or the worker's while the partition is handed to the worker. */
  readonly home: string
  /** The shepherd's sentence: see state/shepherd-status.ts. */
  readonly status: string | null
  /** It must be stopped and started again: see act/restart.ts. */
  readonly restart: boolean
  /** Why it cannot be moved although a check demands it. */
  readonly stays: string | null
  /** What it waits for while it is not ready, when the definition has `ready`: see lib/state/ready.ts. */
  readonly unready?: string
  /** Its process must not be started before its file is rendered: see lib/state/renders.ts. */
  readonly unrendered?: true
  /** What people should look at although it runs: see lib/state/near.ts. */
  readonly warning?: string
  /** What the acquisition was made with. */
  readonly terms: Terms | null
  /** Its process goes on although its lease is over: see state/kept.ts. */
  readonly kept?: Kept
}

/** L and G, ms. */
export interface Terms {
  readonly lease: number
  readonly grace: number
  /** What happens to the process while this machine is cut off; left out where it is stopped. */
  readonly whenIsolated?: WhenIsolated
}

/** @param t0 the instance's lease; @param now boot clock, ms */
export function localFacts(files: InstanceFiles, t0: number | null, now: number): Map<string, Local> {
  let worker: WorkerNow | undefined
  const once = () => {
    worker ??= workerNow(files.worker)
    return worker
  }
  // Most definitions have no worker: this test saves one file lookup per directory.
  const workerOnce = existsSync(files.worker.directory) ? once : null
  return new Map(localPartitions(files).map(id => [id, localOf(files.partition(id), t0, now, workerOnce)]))
}

export function localOf(
  files: PartitionFiles,
  t0: number | null,
  now: number,
  worker: (() => WorkerNow) | null = () => workerNow(workerOf(files)),
): Local {
  const { shepherd, stopped, process, home, status } = worker === null ? alone(files) : runnerNow(files, worker)
  const terms = termsOf(files)
  const token = readUsual(files.token)
  const lease = partitionLease(files)
  // Reading all directories takes time, and a handler may claim meanwhile: its new lease must not count as ahead of
  // the clock.
  const read = lease !== null && isAheadOfClock(lease, now) ? bootClock() : now
  const proof = lastProof(lease, t0, read)
  const acquisition = readUsual(files.acquisition)
  const kept = terms?.whenIsolated === 'keep' ? keptOf(files, acquisition) : null // most services keep nothing
  return {
    acquisition,
    releasing: readFact(files.releasing),
    index: numberOf(readUsual(files.index)),
    token,
    proof,
    pinned: lease?.from === never,
    aheadOfClock: lease !== null && isAheadOfClock(lease, read),
    whole: lease !== null && lease.own !== never && terms !== null && token !== null,
    leaseRuns: proof !== null && terms !== null && proof + terms.lease > now,
    shepherd,
    stopped,
    process,
    home,
    status,
    restart: existsSync(files.restart),
    stays: readFact(files.stays),
    terms,
    ...(kept !== null && { kept }),
  }
}

type Runner = Living & Pick<Local, 'home' | 'status'>

function alone(files: PartitionFiles): Runner {
  return { ...livingProcesses(files), home: files.directory, status: readLine(files.status) }
}

function runnerNow(files: PartitionFiles, worker: () => WorkerNow): Runner {
  const handed = readUsual(files.handed)
  return handed === null ? alone(files) : carried(handed, worker())
}

interface WorkerNow extends Runner {
  /** What the worker says of itself. */
  readonly report: string | null
  /** The lines that the worker was told. */
  readonly assignment: ReadonlySet<string>
}

/** A line that the worker may not have seen counts as not running; the plan then hands it over again. */
function workerNow(files: WorkerFiles): WorkerNow {
  const told = existsSync(files.changed) ? '' : (readFact(files.assignment) ?? '')
  return { ...alone(files), report: readFact(files.report), assignment: new Set(told.split('\n')) }
}

/** For a partition that is handed to the worker, whether or not the worker knows it already. */
function carried(handed: string, worker: WorkerNow): Runner {
  if (!worker.assignment.has(handed)) return { ...worker, shepherd: null }
  const failing = worker.status === 'running' ? saysFailing(worker.report, handed) : null
  return failing === null ? worker : { ...worker, status: `failing: ${failing}` }
}

/** What the acquisition was made with; null when that was never written. */
export function termsOf(files: PartitionFiles): Terms | null {
  const match = /^(\d+) (\d+)(?: (keep|run))?$/.exec(readUsual(files.terms) ?? '')
  if (!match) return null
  const whenIsolated = match[3] as WhenIsolated | undefined
  return { lease: Number(match[1]), grace: Number(match[2]), ...(whenIsolated && { whenIsolated }) }
}

/** The text of the fact `terms`. */
export function termsLine({ lease, grace, whenIsolated }: Terms): string {
  return [lease, grace, ...(whenIsolated ? [whenIsolated] : [])].join(' ')
}

export interface Living {
  readonly shepherd: Process | null
  readonly stopped: boolean
  readonly process: Process | null
}

/** The live shepherd and process of a partition, and whether SIGSTOP holds the shepherd. */
export function livingProcesses(files: PartitionFiles): Living {
  const shepherd = living(readLine(files.shepherd)) ?? living(readLine(files.launched))
  const process = living(readLine(files.process))
  return {
    shepherd: shepherd?.process ?? null,
    stopped: shepherd?.state === 'stopped',
    process: process?.process ?? null,
  }
}

function living(text: string | null) {
  const process = parseProcess(text)
  const state = process === null ? 'gone' : stateOf(process)
  return process === null || state === 'gone' ? null : { process, state }
}

function numberOf(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}

/** The end of the lease, boot clock, ms; 0 when the lock was never proved. */
export function leaseEnd({ proof, terms }: Pick<Local, 'proof' | 'terms'>): number {
  return proof === null || terms === null ? 0 : proof + terms.lease
}

/** The acquisition of this partition here, whether it may run or is being given back. */
export function acquisitionOf(local: Pick<Local, 'acquisition' | 'releasing'>): string | null {
  return local.acquisition ?? local.releasing
}

/** Its lock is held, and that is written down: its process may run. */
export function isAssumed(local: Local): local is Local & { readonly acquisition: string; readonly index: number } {
  return local.acquisition !== null && local.index !== null
}

/** A process of this partition runs here, or an acquisition is written down. */
export function isActive(local: Local): boolean {
  return acquisitionOf(local) !== null || local.shepherd !== null || local.process !== null
}
