/** Sees to it that an instance with many shepherds has a clock: see process/shepherd/clock.sh. */
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { endClock, fewestShepherds, leaseOfClock, stateOfClock } from '../state/clock.ts'
import type { Local } from '../state/local.ts'
import { appendLog } from '../state/log.ts'
import type { Self } from '../state/self.ts'

/**
 * What goes wrong with it must not cost the session: without a clock each shepherd has a timer.
 * @param answered whether Consul did: a lease that is not renewed needs no clock
 */
export async function tendClock(
  { instance, files }: Self,
  local: ReadonlyMap<string, Local>,
  answered: boolean,
): Promise<void> {
  try {
    const leases = [...local].flatMap(([id, { shepherd, home, terms }]) =>
      shepherd && terms && home === files.partition(id).directory ? [terms.lease] : [],
    )
    const shortest = Math.min(...leases)
    const state = stateOfClock(files.clock, bootClock())
    // One that goes by a longer lease is of no use to the others.
    if (state === 'stopped' || (state === 'runs' && leaseOfClock(files.clock) > shortest)) endClock(files.clock)
    if (state !== 'none' || leases.length < fewestShepherds || !answered) return
    const { startClock } = await import('../process/shepherd/clock.ts')
    await startClock(files, shortest)
  } catch (error) {
    appendLog(files.log, `${instance} guard: the clock: ${reason(error)}`)
  }
}
