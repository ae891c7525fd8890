/** Stops shepherds, and tells when their partitions are gone: no shepherd, no process, and nothing with their mark. */
import { existsSync, renameSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../../base/clock.ts'
import { Temporary } from '../../base/errors.ts'
import { isStopped, signal } from '../../machine/identity.ts'
import { attempt, readLine } from '../../state/facts.ts'
import { livingProcesses } from '../../state/local.ts'
import type { PartitionFiles } from '../../state/partition-paths.ts'
import { isUnswept } from '../../state/shepherd-status.ts'
import { killMembers } from '../containment/containment.ts'
import { type Probe, saysGone } from '../containment/gone.ts'

export interface Stop {
  readonly partition: string
  readonly files: PartitionFiles
  /** G of the acquisition, ms. */
  readonly grace: number
  readonly signal: NodeJS.Signals
  /** The command that must confirm that the work is gone; null when the processes alone decide. */
  readonly probe?: Probe | null
  /** The acquisition stays in force: the process is ended, and may be started again. */
  readonly keeps?: boolean
}

/** How often stopping partitions are looked at, ms. */
const poll = 25

/** How long the first quiet partition waits for others, so that they share one sweep and one transaction, ms. */
const gather = 100

/** How long after its grace period a shepherd is killed, and how long the kill may take, ms. */
const slack = 2000

/**
 * From here on no process may be started, unless the acquisition is kept. A program that starts one first writes that
 * down and then reads the acquisition. We first remove the acquisition and then look for what was written down. So at
 * least one of the two sees the other.
 */
export function takeAway({ keeps, files: { acquisition, releasing } }: Stop): void {
  if (!keeps && existsSync(acquisition)) attempt(`rename ${acquisition}`, () => renameSync(acquisition, releasing))
}

/**
 * Stops all of them at once, each through its own shepherd, after `takeAway`.
 * @param onGone as in `stopAll`; @throws StopFailed as well
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

/** Runs the `stop.gone` commands repeatedly. No partition waits for another's answer. */
class Probes {
  readonly #answers = new Map<Stop, 'asked' | 'gone'>()

  /** Whether the command has confirmed that the work is gone, or there is no command. */
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

/** SIGKILL did not help, or the `stop.gone` command does not confirm that the work is gone. */
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
 * The partitions that a StopFailed names; null for any other error. Tested by its property: a release has the class
 * twice, because the worker's part is a separate file.
 */
export function notStopped(error: unknown): readonly string[] | null {
  return error instanceof Error && 'partitions' in error ? (error as StopFailed).partitions : null
}

function begin(stop: Stop): void {
  const { shepherd, process } = livingProcesses(stop.files)
  if (shepherd && !isStopped(shepherd)) signal(shepherd, 'SIGTERM')
  else if (process) signal(process, stop.signal, true)
}

/** The process is gone; and the shepherd is gone too, or has ended all processes that it knows and starts no more. */
function isQuiet({ files }: Stop): boolean {
  const { shepherd, process } = livingProcesses(files)
  return process === null && (shepherd === null || isUnswept(readLine(files.status)))
}

/**
 * Looks for stray processes of all of them in one sweep, because a sweep is expensive, and kills them. A shepherd that
 * waits for the sweep then ends.
 * @param swept partitions of which nothing is left; grows
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

/** The shepherd is killed last: while it lives, no other shepherd starts. */
function kill(stops: readonly Stop[]): void {
  if (stops.length === 0) return
  killMembers(stops.map(({ files }) => files))
  for (const { files } of stops) {
    const { shepherd } = livingProcesses(files)
    if (shepherd) signal(shepherd, 'SIGKILL')
  }
}
