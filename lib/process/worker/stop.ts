/** Takes partitions back from the worker, and ends the whole worker when it does not give them back. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../../base/clock.ts'
import { listed } from '../../base/text.ts'
import { exclusively } from '../../state/exclusively.ts'
import { readLine, removeFact } from '../../state/facts.ts'
import { livingProcesses } from '../../state/local.ts'
import { type WorkerFiles, workerOf } from '../../state/partition-paths.ts'
import { handedTo } from '../../state/worker-lease.ts'
import { membersOf } from '../containment/containment.ts'
import { notStopped, type Stop, StopFailed, stopShepherds, takeAway } from '../shepherd/stop.ts'
import { collect, forgetAsked, forgetHanded, hasSaid, say, takeBack, tellWorker } from './handed.ts'

/** How often the confirmations are read, ms. */
const poll = 25

/**
 * Makes the worker stop all of these at once. A partition is gone when the worker has confirmed it, or when the process
 * that had it is gone. If one is not gone within its grace period, the whole worker is ended.
 * @param onGone called with the partitions that are gone, as they go
 * @throws StopFailed with all that are left, when the worker cannot be ended
 */
export async function stopHanded(
  stops: readonly Stop[],
  onGone: (gone: readonly Stop[]) => Promise<void>,
): Promise<void> {
  const [first] = stops
  if (first === undefined) return
  const worker = workerOf(first.files)
  const begun = bootClock()
  let useful = exclusively(worker, () => ask(worker, stops))
  let carrier: string | null = null
  for (let left = [...stops]; ; await delay(poll)) {
    carrier ??= readLine(worker.process)
    if (hasSaid(worker)) exclusively(worker, () => collect(worker))
    if (isNewProcess(worker, carrier)) {
      const partitions = left.map(({ files }) => files)
      exclusively(worker, () => forgetAsked(worker, partitions))
    }
    const gone = left.filter(({ files }) => !existsSync(files.handed))
    left = left.filter(stop => !gone.includes(stop))
    const useless = !useful && !existsSync(worker.assignment) // otherwise it was given other partitions since
    // The worker ends with its last partition, even when it confirmed that one before we looked.
    if (left.length === 0 && useless) await endWorker(worker, stops)
    if (gone.length > 0) await onGone(gone)
    if (left.length === 0) return
    if (gone.length > 0) continue // giving back takes time, and more may be confirmed by now
    const late = left.filter(({ grace }) => bootClock() - begun >= grace)
    if (late.length > 0) say(worker, `is stopped as a whole: it has not confirmed that it stopped ${names(late)}`)
    if (useless || late.length > 0 || livingProcesses(worker).shepherd === null) {
      await endWorker(worker, left).catch(error => {
        throw notStopped(error) ? new StopFailed(left) : error
      })
      useful = true // a worker that was started meanwhile has other partitions
    }
  }
}

function names(stops: readonly Stop[]): string {
  return listed(stops.map(({ partition }) => partition))
}

function ask(worker: WorkerFiles, stops: readonly Stop[]): boolean {
  const useful = takeBack(
    worker,
    stops.map(({ files }) => files),
  )
  tellWorker(worker)
  return useful
}

/**
 * Whether the process that may have read an older assignment is gone. Its shepherd starts another one only when nothing
 * of the old one is left, and a process that carries no mark yet has not read the assignment yet.
 * @param carrier the first process that was written down after the assignment was replaced
 */
function isNewProcess(worker: WorkerFiles, carrier: string | null): boolean {
  const now = readLine(worker.process)
  if (now !== null) return now !== carrier
  return membersOf([worker]).size === 0
}

/** Ends the worker and its shepherd, so that nothing is handed to it any more. @throws Temporary when that fails */
export async function endWorker(worker: WorkerFiles, how: readonly Pick<Stop, 'grace' | 'signal'>[]): Promise<void> {
  const grace = Math.min(...how.map(({ grace }) => grace))
  const signal = how[0]?.signal ?? 'SIGTERM'
  const stop = { partition: 'the worker', files: worker, grace, signal }
  takeAway(stop)
  await stopShepherds([stop], async () => {})
  exclusively(worker, () => {
    const living = livingProcesses(worker)
    // Another handler has started a new worker meanwhile, and before that forgot what the old one had.
    if (existsSync(worker.acquisition) || living.shepherd !== null || living.process !== null) return
    const { assignment, changed, stopping, confirmations, read, report, launched, shepherd, process } = worker
    for (const fact of [assignment, changed, stopping, confirmations, read, report]) removeFact(fact)
    for (const fact of [launched, shepherd, process]) removeFact(fact)
    for (const files of handedTo(worker)) forgetHanded(files)
  })
}
