/** Stops shepherds, and knows when their partitions are gone: no shepherd, no process, nothing that carries their mark. */
import { existsSync, renameSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../../base/clock.ts'
import { Temporary } from '../../base/errors.ts'
import { isStopped, signal } from '../../machine/identity.ts'
import { attempt, readLine } from '../../state/facts.ts'
import { livingProcesses } from '../../state/local.ts'
import type { PartitionFiles } from '../../state/paths.ts'
import { isUnswept } from '../../state/shepherd-status.ts'
import { killMembers } from '../containment/containment.ts'
import { type Probe, saysGone } from '../containment/gone.ts'

export interface Stop {
  readonly partition: string
  readonly files: PartitionFiles
  /** G of the acquisition, ms. */
  readonly grace: number
  readonly signal: NodeJS.Signals
  /** What must say that it is gone; null when its processes tell. */
  readonly probe?: Probe | null
  /** The acquisition stays: what runs is ended, and whoever holds it may start anew. */
  readonly keeps?: boolean
}

/** How often the stopping ones are looked at, ms. */
const poll = 25

/** How long the first that is quiet waits for others, so that one sweep and one transaction do for many, ms. */
const gather = 100

/** What a shepherd gets beyond its grace period before it is killed, and what the kill gets, ms. */
const slack = 2000

/**
 * From here on nothing may be started, unless the acquisition is kept: whoever starts it writes down that it does, and reads
 * the acquisition then, and we take the acquisition away first and look for that then. So one of us sees the other.
 */
export function takeAway({ keeps, files: { acquisition, releasing } }: Stop): void {
  if (!keeps && existsSync(acquisition)) attempt(`rename ${acquisition}`, () => renameSync(acquisition, releasing))
}

/**
 * Stops all of them at once, each by its own shepherd, after they were taken away.
 * @param onGone as in `stopAll`; @throws StopFailed likewise
 */
export async function stopShepherds(
  stops: readonly Stop[],
  onGone: (gone: readonly Stop[]) => Promise<void>,
): Promise<void> {
  const begun = bootClock()
  for (const stop of stops) begin(stop)
  let left = [...stops]
  const swept = new Set<Stop>()
  const probes = new Probes()
  let quietSince: number | null = null
  while (left.length > 0) {
    const quiet = left.filter(isQuiet)
    if (quiet.some(stop => !swept.has(stop))) quietSince ??= bootClock()
    if (quietSince !== null && (quiet.length === left.length || bootClock() - quietSince >= gather)) {
      sweep(quiet, swept)
      quietSince = null
    }
    const gone = quiet.filter(stop => swept.has(stop) && isGone(stop) && probes.isGone(stop))
    if (gone.length > 0) await onGone(gone)
    left = left.filter(stop => !gone.includes(stop))
    const late = left.filter(stop => bootClock() - begun > stop.grace + slack)
    if (late.some(stop => bootClock() - begun > stop.grace + 2 * slack)) throw new StopFailed(late)
    kill(late)
    if (left.length > 0) await delay(poll)
  }
}

/** Asks the command of each that has one, again and again, and keeps nobody waiting for another's answer. */
class Probes {
  readonly #answers = new Map<Stop, 'asked' | 'gone'>()

  /** Whether the definition's own command has said so, or there is none. */
  isGone(stop: Stop): boolean {
    const { probe } = stop
    if (!probe || this.#answers.get(stop) === 'gone') return true
    if (!this.#answers.has(stop)) {
      this.#answers.set(stop, 'asked')
      saysGone(probe).then(gone => (gone ? this.#answers.set(stop, 'gone') : this.#answers.delete(stop)))
    }
    return false
  }
}

/** SIGKILL did not help, or the definition's own command does not say that it is gone. */
export class StopFailed extends Temporary {
  readonly partitions: readonly string[]

  constructor(stops: readonly Stop[]) {
    const partitions = stops.map(stop => stop.partition)
    const unsaid = stops.some(stop => stop.probe && isQuiet(stop))
    const why = unsaid ? 'stop.gone does not say that it is gone' : 'SIGKILL did not help'
    super(`cannot stop ${partitions.join(', ')}: ${why}; its lock is kept until it is gone`)
    this.partitions = partitions
  }
}

/**
 * The partitions of which an error is told by a StopFailed; null for any other. By its shape: in a release, where the worker's
 * part is a file of its own, the class is there twice.
 */
export function notStopped(error: unknown): readonly string[] | null {
  return error instanceof Error && 'partitions' in error ? (error as StopFailed).partitions : null
}

function begin(stop: Stop): void {
  const { shepherd, process } = livingProcesses(stop.files)
  if (shepherd && !isStopped(shepherd)) signal(shepherd, 'SIGTERM')
  else if (process) signal(process, stop.signal, true)
}

/** Its process is gone, and its shepherd too, or it has ended all that it knows and starts nothing any more. */
function isQuiet({ files }: Stop): boolean {
  const { shepherd, process } = livingProcesses(files)
  return process === null && (shepherd === null || isUnswept(readLine(files.status)))
}

/**
 * Looks for strays of all of them at once, which is dear, and kills them. A shepherd that waits for it ends.
 * @param swept of which nothing is left; grows
 */
function sweep(stops: readonly Stop[], swept: Set<Stop>): void {
  const left = new Set(killMembers(stops.map(({ files }) => files)))
  for (const stop of stops) {
    if (left.has(stop.files)) continue
    swept.add(stop)
    const { shepherd } = livingProcesses(stop.files)
    if (shepherd) signal(shepherd, 'SIGKILL')
  }
}

function isGone({ files }: Stop): boolean {
  return livingProcesses(files).shepherd === null
}

/** The shepherd goes last: as long as it lives, nobody else starts one. */
function kill(stops: readonly Stop[]): void {
  if (stops.length === 0) return
  killMembers(stops.map(({ files }) => files))
  for (const { files } of stops) {
    const { shepherd } = livingProcesses(files)
    if (shepherd) signal(shepherd, 'SIGKILL')
  }
}
