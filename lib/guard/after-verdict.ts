/** What a tick does once its verdict is printed. Each part fails for itself, with one line in the log. */
import { existsSync } from 'node:fs'
import { bootClock, bootId, sinceStart } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import { readFact } from '../state/facts.ts'
import { areKept } from '../state/figures/notes.ts'
import { sayOnce } from '../state/figures/say-once.ts'
import { appendLog } from '../state/log.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import type { Seen } from './guard.ts'
import { changeOf } from './health.ts'
import type { TickTime } from './publish-health.ts'

/** Events are put off by no more than this, ms; a later time was written by another clock. */
const longestPutOff = 60_000

/** So late a tick publishes nothing, ms since Node's start. */
const tooLate = 700

/** @param interval the guard's, ms @param connect gives a connection to Consul for so many ms: it must not be loaded again here @param age of the tick, ms */
export async function tellAfterVerdict(
  here: Self,
  interval: number,
  seen: Seen,
  connect: (limit: number) => Consul,
  age = sinceStart(),
): Promise<void> {
  const now = bootClock()
  try {
    await publishOfTick(here, seen, { now, interval, isLate: age > tooLate }, connect)
  } catch (error) {
    const log = (line: string) => appendLog(here.files.log, `${here.instance} guard: ${line}`)
    const problem = `health and events cannot be published: ${reason(error)}`
    sayOnce({ figuresProblem: here.files.healthProblem }, problem, { now, every: interval }, log)
  }
  if (!areKept()) return
  const { figuresOfTick } = await import('./figures.ts')
  await figuresOfTick(here, interval, seen, connect)
}

/** @throws Temporary, Denied when the disk or Consul does not take it */
export async function publishOfTick(
  here: Self,
  { local, renewal }: Seen,
  time: TickTime,
  connect: (limit: number) => Consul,
): Promise<void> {
  if (renewal === null) return
  const change = changeOf(here.files, local, time.now)
  if (change === null && !areEventsWaiting(here.files, time.now)) return
  const { publish } = await import('./publish.ts') // most ticks find nothing new
  await publish(here, change, time, connect)
}

/** Something was noted, or Consul does not have all of it yet. */
function areEventsWaiting({ eventSpool, eventsPending }: InstanceFiles, now: number): boolean {
  if (existsSync(eventSpool) || existsSync(`${eventSpool}.taken`)) return true
  const [boot, until] = readFact(eventsPending)?.split(' ') ?? []
  return boot !== undefined && (boot !== bootId() || !(Number(until) > now) || Number(until) > now + longestPutOff)
}
