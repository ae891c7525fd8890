/**
 * The sentence in the fact `status`, read in this one place. A shepherd writes `starting`, `running`, `backing off: …`,
 * `crash-looping since …`, `finished: …`, `stopping: …`, `stopped, not swept` and `stopped: …`. Whoever launches it writes
 * `cannot start: …`, whoever finds no command for it `no command: …`, and whoever gives the lock back `not here: …`. A look adds
 * `failing: …` in the worker's words.
 */

/** null while the shepherd is just writing the next one, and where nothing was ever started. */
type Status = string | null

/** How the status of a partition begins that has no command: it is not tried again at every look. */
export const noCommand = 'no command'

export function isStarting(status: Status): boolean {
  return begins(status, 'starting')
}

export function isRunning(status: Status): boolean {
  return begins(status, 'running')
}

/** There is a process, for all that the shepherd knows: also one that crashes again and again. */
export function hasProcess(status: Status): boolean {
  return begins(status, 'running', 'crash-looping')
}

export function isCrashLooping(status: Status): boolean {
  return begins(status, 'crash-looping')
}

/** It ended, and its definition does not start it again. */
export function isFinished(status: Status): boolean {
  return begins(status, 'finished')
}

/** Its document names none, see act/choose.ts. */
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

/** What anyone who looks at the lock would expect: it needs no words in the report. */
export function isOrdinary(status: Status): boolean {
  return begins(status, 'starting', 'running', 'stopping', 'stopped', 'not here')
}

/** The shepherd has ended all that it knows, and waits for the handler to look for strays. */
export function isUnswept(status: Status): boolean {
  return status === 'stopped, not swept'
}

/** With one of these, as whole words. */
function begins(status: Status, ...beginnings: readonly string[]): boolean {
  return status !== null && beginnings.some(one => status.startsWith(one) && !/\w/.test(status.charAt(one.length)))
}
