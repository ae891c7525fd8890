/** Stops partitions, and knows when they are gone: no shepherd, no process, nothing that carries their mark. */
import { existsSync, renameSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../clock.ts'
import { Temporary } from '../errors.ts'
import { attempt } from '../state/facts.ts'
import type { PartitionFiles } from '../state/instance.ts'
import { livingProcesses } from '../state/local.ts'
import { isStopped, signal } from './identity.ts'
import { markedProcesses } from './marks.ts'

export interface Stop {
  readonly partition: string
  readonly files: PartitionFiles
  /** G of the acquisition, ms. */
  readonly grace: number
  readonly signal: NodeJS.Signals
}

/** How often the stopping ones are looked at, ms. */
const poll = 25
/** What a shepherd gets beyond its grace period before it is killed, and what the kill gets, ms. */
const slack = 2000

/**
 * Stops all of them at once.
 * @param root the instance's `partition` directory
 * @param onGone is told of those that are gone, in groups, as they go; the next group waits for it
 * @throws Temporary when something cannot be killed; those that went before have been told
 */
export async function stopAll(
  root: string,
  stops: readonly Stop[],
  onGone: (gone: readonly Stop[]) => Promise<void>,
): Promise<void> {
  const begun = bootClock()
  for (const stop of stops) begin(stop)
  let left = [...stops]
  while (left.length > 0) {
    const gone = whatIsGone(root, left)
    if (gone.length > 0) await onGone(gone)
    left = left.filter(stop => !gone.includes(stop))
    const late = left.filter(stop => bootClock() - begun > stop.grace + slack)
    if (late.some(stop => bootClock() - begun > stop.grace + 2 * slack)) throw cannotStop(late)
    kill(root, late)
    if (left.length > 0) await delay(poll)
  }
}

function cannotStop(stops: readonly Stop[]): Temporary {
  const names = stops.map(stop => stop.partition).join(', ')
  return new Temporary(`cannot stop ${names}: SIGKILL did not help; its lock is kept until it is gone`)
}

/**
 * From here on nothing may be started: a shepherd writes its name first and reads the acquisition then, and we take
 * the acquisition away first and read its name then. So one of us sees the other.
 */
function begin(stop: Stop): void {
  const { acquisition, releasing } = stop.files
  if (existsSync(acquisition)) attempt(`rename ${acquisition}`, () => renameSync(acquisition, releasing))
  const { shepherd, process } = livingProcesses(stop.files)
  if (shepherd && !isStopped(shepherd)) signal(shepherd, 'SIGTERM')
  else if (process) signal(process, stop.signal, true)
}

function whatIsGone(root: string, stops: readonly Stop[]): Stop[] {
  const quiet = stops.filter(stop => {
    const { shepherd, process } = livingProcesses(stop.files)
    return shepherd === null && process === null
  })
  if (quiet.length === 0) return []
  const marked = markedProcesses(root)
  return quiet.filter(({ files }) => {
    const strays = marked.get(files.directory) ?? []
    for (const stray of strays) signal(stray, 'SIGKILL') // its shepherd is gone: nobody else will
    return strays.length === 0
  })
}

/** The shepherd goes last: as long as it lives, nobody else starts one. */
function kill(root: string, stops: readonly Stop[]): void {
  if (stops.length === 0) return
  const marked = markedProcesses(root)
  for (const stop of stops) {
    const { shepherd, process } = livingProcesses(stop.files)
    if (process) signal(process, 'SIGKILL', true)
    for (const stray of marked.get(stop.files.directory) ?? []) signal(stray, 'SIGKILL')
    if (shepherd) signal(shepherd, 'SIGKILL')
  }
}
