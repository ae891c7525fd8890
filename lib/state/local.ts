/** What this instance knows of the partitions it has a directory for, read from its state directory and from /proc. */
import { existsSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import { type Process, parseProcess, stateOf } from '../machine/identity.ts'
import { readFact, readLine, readUsual } from './facts.ts'
import { isAheadOfClock, lastProof, never, partitionLease } from './lease.ts'
import { type InstanceFiles, localPartitions, type PartitionFiles, type WorkerFiles, workerOf } from './paths.ts'
import { saysFailing } from './worker-said.ts'

export interface Local {
  /** The acquisition that may run here; null when nothing may be started. */
  readonly acquisition: string | null
  /** The acquisition that is being given back. */
  readonly releasing: string | null
  /** The lock's ModifyIndex once it is assumed; null before, and while that is in doubt. */
  readonly index: number | null
  readonly token: string | null
  /** When the lock was last known to be held, boot-clock ms. */
  readonly proof: number | null
  /** The instance's lease does not count for it: see state/lease.ts. */
  readonly pinned: boolean
  /** Its lease lies ahead of the clock, so it is over: see state/lease.ts. */
  readonly aheadOfClock: boolean
  /** Token, terms and lease are all written down. */
  readonly whole: boolean
  /** The lease of the acquisition runs. */
  readonly leaseRuns: boolean
  /** A living shepherd, and whether it is held by a SIGSTOP. */
  readonly shepherd: Process | null
  readonly stopped: boolean
  /** The living process that the shepherd wrote down. */
  readonly process: Process | null
  /** The state directory of that shepherd: its own, or the worker's while it is handed to it. */
  readonly home: string
  /** The shepherd's sentence. */
  readonly status: string | null
  /** It is to be stopped and started again: see act/restart.ts. */
  readonly restart: boolean
  /** Why a check that wants it elsewhere cannot have it moved. */
  readonly stays: string | null
  /** What it says while it is not ready, where that is asked: see lib/state/ready.ts. */
  readonly unready?: string
  /** L and G of the acquisition in ms. */
  readonly terms: Terms | null
}

export interface Terms {
  readonly lease: number
  readonly grace: number
}

/** @param t0 the instance's lease; @param now boot clock, ms */
export function localFacts(files: InstanceFiles, t0: number | null, now: number): Map<string, Local> {
  let worker: WorkerNow | undefined
  const once = () => {
    worker ??= workerNow(files.worker)
    return worker
  }
  // Most definitions have none: then there is one fact less to look for in each directory.
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
  // To read all takes its time, and a handler may claim meanwhile: what it wrote is no garbage from the future.
  const read = lease !== null && isAheadOfClock(lease, now) ? bootClock() : now
  const proof = lastProof(lease, t0, read)
  return {
    acquisition: readUsual(files.acquisition),
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
  /** What it says of itself. */
  readonly report: string | null
  /** What it was told to have. */
  readonly assignment: ReadonlySet<string>
}

/** What it was not surely told is started as whatever has no shepherd: that tells it again. */
function workerNow(files: WorkerFiles): WorkerNow {
  const told = existsSync(files.changed) ? '' : (readFact(files.assignment) ?? '')
  return { ...alone(files), report: readFact(files.report), assignment: new Set(told.split('\n')) }
}

/** Of a partition that is handed to the worker, whether or not it knows already. */
function carried(handed: string, worker: WorkerNow): Runner {
  if (!worker.assignment.has(handed)) return { ...worker, shepherd: null }
  const failing = worker.status === 'running' ? saysFailing(worker.report, handed) : null
  return failing === null ? worker : { ...worker, status: `failing: ${failing}` }
}

/** L and G of the acquisition; null when they were never written. */
export function termsOf(files: PartitionFiles): Terms | null {
  const match = /^(\d+) (\d+)$/.exec(readUsual(files.terms) ?? '')
  return match ? { lease: Number(match[1]), grace: Number(match[2]) } : null
}

export interface Living {
  readonly shepherd: Process | null
  readonly stopped: boolean
  readonly process: Process | null
}

/** The shepherd and the process of a partition, as far as they live, and whether a SIGSTOP holds the shepherd. */
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

/** The acquisition that is here, whether it may run or is being given back. */
export function acquisitionOf(local: Pick<Local, 'acquisition' | 'releasing'>): string | null {
  return local.acquisition ?? local.releasing
}

/** Its lock is held, and that is written down: something of it may run. */
export function isAssumed(local: Local): local is Local & { readonly acquisition: string; readonly index: number } {
  return local.acquisition !== null && local.index !== null
}

/** Something of this partition runs here, or an acquisition is written down. */
export function isActive(local: Local): boolean {
  return acquisitionOf(local) !== null || local.shepherd !== null || local.process !== null
}
