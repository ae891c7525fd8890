/** The rules between the durations of a definition. Without them two machines could run the same partition. */
import type { Definition } from './definition.ts'

const longestWait = 300_000
const longestInterval = 6000

function inSeconds(ms: number): string {
  return `${ms / 1000} s`
}

/**
 * What is wrong with the durations, as `<field>: <what>; <what to do>`; null when they fit together.
 * - The guard must run twice within a lease, with 1.5 s to spare for a slow run.
 * - A contender's record of a free lock expires after 10 s, so a guard that runs less often would never take over.
 * - No unclean lock may stay idle for more than 5 min: instances refuse to wait longer.
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
