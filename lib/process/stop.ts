/** Stops partitions, whoever runs them: shepherds of their own, or the worker. */
import { existsSync } from 'node:fs'
import { readLine } from '../state/facts.ts'
import { type PartitionFiles, workerOf } from '../state/paths.ts'
import { type Stop, stopShepherds, takeAway } from './shepherd/stop.ts'

/**
 * Stops all of them at once, whoever runs them: each its own shepherd, or the worker.
 * @param onGone is told of those that are gone, in groups, as they go; the next group waits for it
 * @throws StopFailed when something cannot be killed; those that went before have been told
 */
export async function stopAll(stops: readonly Stop[], onGone: (gone: readonly Stop[]) => Promise<void>): Promise<void> {
  for (const stop of stops) takeAway(stop)
  const handed = await handedAmong(stops)
  if (handed.size === 0) return stopShepherds(stops, onGone)
  const { stopHanded } = await import('./worker/stop.ts') // most definitions have none
  const outcomes = await Promise.allSettled([
    stopHanded([...handed], onGone),
    stopShepherds(
      stops.filter(stop => !handed.has(stop)),
      onGone,
    ),
  ])
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** What the worker may be running. */
async function handedAmong(stops: readonly Stop[]): Promise<ReadonlySet<Stop>> {
  const worker = stops[0] && workerOf(stops[0].files)
  if (!worker || !existsSync(worker.directory)) return new Set()
  const { exclusively } = await import('../state/exclusively.ts')
  return exclusively(worker, () => new Set(stops.filter(({ files }) => existsSync(files.handed))))
}

/** What is to be logged of one that is gone: that it did not stop when it was told to. Null when it did. */
export function forcedWords(partition: string, { exit }: PartitionFiles): string | null {
  if (!readLine(exit)?.includes(', SIGKILL after the grace period')) return null
  return `${partition} did not stop within its grace period, and was ended by SIGKILL; see stop.signal and stop.grace`
}
