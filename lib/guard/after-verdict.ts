/** What a tick does once its verdict is printed. Each part fails for itself, with one line in the log. */
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import { areKept } from '../state/figures/notes.ts'
import { sayOnce } from '../state/figures/say-once.ts'
import { appendLog } from '../state/log.ts'
import type { Self } from '../state/self.ts'
import type { Seen } from './guard.ts'
import { changeOf } from './health.ts'
import type { TickTime } from './publish-health.ts'

/** So late a tick publishes nothing, ms since Node's start. */
const tooLate = 700

/** @param interval the guard's, ms @param connect gives a connection to Consul for so many ms: it must not be loaded again here @param age of the tick, ms */
export async function tellAfterVerdict(
  here: Self,
  interval: number,
  seen: Seen,
  connect: (limit: number) => Consul,
  age = performance.now(),
): Promise<void> {
  const now = bootClock()
  try {
    await healthOfTick(here, seen, { now, interval, isLate: age > tooLate }, connect)
  } catch (error) {
    const log = (line: string) => appendLog(here.files.log, `${here.instance} guard: ${line}`)
    const problem = `the health of the partitions cannot be published: ${reason(error)}`
    sayOnce({ figuresProblem: here.files.healthProblem }, problem, { now, every: interval }, log)
  }
  if (!areKept()) return
  const { figuresOfTick } = await import('./figures.ts')
  await figuresOfTick(here, interval, seen, connect)
}

/** @throws Temporary, Denied when the disk or Consul does not take it */
export async function healthOfTick(
  here: Self,
  { local, renewal }: Seen,
  time: TickTime,
  connect: (limit: number) => Consul,
): Promise<void> {
  const change = renewal === null ? null : changeOf(here.files, local, time.now)
  if (change === null) return
  const { publishHealth } = await import('./publish-health.ts') // most ticks find nothing new
  await publishHealth(here, change, time, connect)
}
