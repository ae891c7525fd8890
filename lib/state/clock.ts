/** The clock that the shepherds of an instance go by, from outside: see process/shepherd/clock.sh. */
import { bootId } from '../base/clock.ts'
import { parseProcess, signal, stateOf } from '../machine/identity.ts'
import { readFact, readLine } from './facts.ts'
import type { ClockFiles } from './paths.ts'

/** For fewer it costs more than a timer for each. */
export const fewestShepherds = 3

/** How late it may be on a busy machine, ms. */
const lateness = 500

/**
 * - `stopped`: by SIGSTOP or a debugger;
 * - `held up`: late, or it has promised nothing. In both, shepherds may not see that their lease is over.
 * - `useless`: on this kernel nobody would hear of its end.
 */
export type ClockState = 'none' | 'useless' | 'runs' | 'stopped' | 'held up'

/** @param now boot clock, ms */
export function stateOfClock(files: ClockFiles, now: number): ClockState {
  const promise = readFact(files.promise)
  if (promise === null) return 'none' // the most usual: few partitions
  if (promise === `none ${bootId()}`) return 'useless'
  const states = processesOf(promise, files).map(stateOf)
  if (states.includes('stopped')) return 'stopped'
  if (!states.includes('running')) return 'none'
  const tick = Number(promise.split(' ')[2])
  return now <= tick + lateness ? 'runs' : 'held up' // also when it is no number
}

/** The shortest lease that it goes by, ms; NaN when that is not known. */
export function leaseOfClock({ promise }: ClockFiles): number {
  return Number(readFact(promise)?.split(' ')[3])
}

/** Each of its shepherds then has a timer of its own at once. */
export function endClock(files: ClockFiles): void {
  for (const process of processesOf(readFact(files.promise) ?? '', files)) signal(process, 'SIGKILL')
}

/** As it says itself; and as its launcher says, where a full disk has kept the first. */
function processesOf(promise: string, { launched }: ClockFiles) {
  const said = promise.split(' ', 2).join(' ')
  return [said, readLine(launched)].flatMap(text => parseProcess(text) ?? [])
}
