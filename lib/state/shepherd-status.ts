/**
 * The sentence in the fact `status`, parsed only here. A shepherd writes `starting`, `running`, `backing off: …`,
 * `crash-looping since …`, `finished: …`, `stopping: …`, `stopped, not swept` and `stopped: …`. The program that
 * launches a shepherd writes `cannot start: …`, or `no command: …` when there is no command for it. The program that
 * gives the lock back writes `not here: …`. A look adds `failing: …` in the worker's words.
 */

/** Null while the shepherd is writing the next sentence, and when nothing was ever started. */
type Status = string | null

/** The first words of the status of a partition without a command: it is not tried again at every look. */
export const noCommand = 'no command'

export function isStarting(status: Status): boolean {
  return begins(status, 'starting')
}

export function isRunning(status: Status): boolean {
  return begins(status, 'running')
}

/** As far as the shepherd knows there is a process, even one that crashes repeatedly. */
export function hasProcess(status: Status): boolean {
  return begins(status, 'running', 'crash-looping')
}

export function isCrashLooping(status: Status): boolean {
  return begins(status, 'crash-looping')
}

/** It ended, and its definition does not restart it. */
export function isFinished(status: Status): boolean {
  return begins(status, 'finished')
}

/** It ended by itself, and no other runs yet, as far as the shepherd knows. */
export function hasEnded(status: Status): boolean {
  return begins(status, 'backing off', 'crash-looping', 'finished')
}

/** Its document names no command, see act/choose.ts. */
export function hasNoCommand(status: Status): boolean {
  return begins(status, noCommand)
}

export function couldNotStart(status: Status): boolean {
  return begins(status, 'cannot start', noCommand)
}

/** Its hooks are told that it failed. */
export function isFailing(status: Status): boolean {
  return begins(status, 'crash-looping', 'cannot start', noCommand, 'failing')
}

/** The status that the lock alone lets one expect: the report need not mention it. */
export function isOrdinary(status: Status): boolean {
  return begins(status, 'starting', 'running', 'stopping', 'stopped', 'not here')
}

/** The shepherd has ended all processes that it knows, and waits for the handler to look for strays. */
export function isUnswept(status: Status): boolean {
  return status === 'stopped, not swept'
}

/** Begins with one of these, as whole words. */
function begins(status: Status, ...beginnings: readonly string[]): boolean {
  return status !== null && beginnings.some(one => status.startsWith(one) && !/\w/.test(status.charAt(one.length)))
}
