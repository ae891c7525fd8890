/** Stops partitions, whether they have their own shepherd or are handed to the worker. */
import { existsSync } from 'node:fs'
import { readLine } from '../state/facts.ts'
import { type PartitionFiles, workerOf } from '../state/partition-paths.ts'
import { type Stop, stopShepherds, takeAway } from './shepherd/stop.ts'

/**
 * Stops all of them at once, each through its own shepherd or through the worker.
 * @param onGone called with groups of partitions as they go; the next group waits until it has returned
 * @throws StopFailed when a process cannot be killed; partitions that went before were reported
 */
export async function stopAll(stops: readonly Stop[], onGone: (gone: readonly Stop[]) => Promise<void>): Promise<void> {
  for (const stop of stops) takeAway(stop)
  const handed = await handedAmong(stops)
  if (handed.size === 0) return stopShepherds(stops, onGone)
  const { stopHanded } = await import('./worker/stop.ts') // imported late: most definitions have no worker
  const outcomes = await Promise.allSettled([
    stopHanded([...handed], onGone),
    stopShepherds(
      stops.filter(stop => !handed.has(stop)),
      onGone,
    ),
  ])
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** The partitions that the worker may be running. */
async function handedAmong(stops: readonly Stop[]): Promise<ReadonlySet<Stop>> {
  const worker = stops[0] && workerOf(stops[0].files)
  if (!worker || !existsSync(worker.directory)) return new Set()
  const { exclusively } = await import('../state/exclusively.ts')
  return exclusively(worker, () => new Set(stops.filter(({ files }) => existsSync(files.handed))))
}

/** The log line for a partition that did not stop by itself and was killed; null when it stopped. */
export function forcedWords(partition: string, { exit }: PartitionFiles): string | null {
  if (!readLine(exit)?.includes(', SIGKILL after the grace period')) return null
  return `${partition} did not stop within its grace period, and was ended by SIGKILL; see stop.signal and stop.grace`
}
