/** The rules that tie the durations of a definition together: without them two machines could run one partition. */
import type { Definition } from './definition.ts'

const longestWait = 300_000
const longestInterval = 6000

function inSeconds(ms: number): string {
  return `${ms / 1000} s`
}

/**
 * What is wrong with the durations, as `<field>: <what>; <what to do>`; null when they fit together.
 * - The guard comes round twice within a lease, with 1.5 s for a run of it that is slow.
 * - A contender's record of a free lock is void after 10 s, so a guard that comes round less often never takes over.
 * - Nobody shall leave an unclean lock alone for more than 5 min: no longer wait is believed.
 */
export function timingFault({ guardIntervalMs, leaseMs, stop }: Definition): string | null {
  const shortest = 2 * guardIntervalMs + 1500
  if (leaseMs < shortest) {
    const rule = `2 × guard.interval + 1.5 s = ${inSeconds(shortest)}`
    return `lease: ${inSeconds(leaseMs)} is less than ${rule}; raise lease or lower guard.interval`
  }
  if (guardIntervalMs > longestInterval) {
    return `guard.interval: ${inSeconds(guardIntervalMs)} is too long to take over in time; give at most ${inSeconds(longestInterval)}`
  }
  const wait = leaseMs + stop.graceMs + 1000
  if (wait > longestWait) {
    const rule = `lease + stop.grace + 1 s = ${inSeconds(wait)}`
    return `lease: the takeover wait ${rule} is more than ${inSeconds(longestWait)}; lower lease or stop.grace`
  }
  return null
}
