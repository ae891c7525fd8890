/** The clock of an instance's shepherds, as other programs see it: see process/shepherd/clock.sh. */
import { existsSync, truncateSync } from 'node:fs'
import { bootId } from '../base/clock.ts'
import { parseProcess, signal, stateOf } from '../machine/identity.ts'
import { attempt, readFact, readLine, writeFact } from './facts.ts'
import { clockStep } from './lease.ts'
import type { ClockFiles } from './partition-paths.ts'

/** For fewer shepherds a clock costs more than a timer for each. */
export const fewestShepherds = 3

/** How late a clock may be on a busy machine, ms. */
const lateness = 500

/** How often a machine is tried again on which no clock could be had, ms. */
const retryAfter = 600_000

/** How often `tended` is written, ms. The clock ends when it is a minute and a lease old. */
const tendEvery = 20_000

/**
 * - `none`: there is none, or it has ended;
 * - `useless`: here nothing would tell the shepherds of its end, as without perl;
 * - `late`: it did not look when it should have, or has promised nothing yet;
 * - `stopped`: by SIGSTOP or a debugger. Like a late one it may not wake the shepherds when their lease is over.
 */
export interface ClockNow {
  readonly state: 'none' | 'useless' | 'runs' | 'late' | 'stopped'
  /** When it looks at the leases next, boot clock, ms; when it was started, if it has promised nothing. */
  readonly tick: number
  /** The shortest lease that it goes by, ms. */
  readonly lease: number
}

/** @param now boot clock, ms @throws Temporary when its facts cannot be read */
export function clockNow(files: ClockFiles, now: number): ClockNow {
  const promise = readFact(files.promise)
  const of = (state: ClockNow['state'], tick = Number.NaN, lease = Number.NaN) => ({ state, tick, lease })
  if (promise === null) return of('none') // the usual case: few partitions
  const [pid, boot, tick, lease] = promise.split(' ')
  if (pid === 'none') {
    const age = now - Number(tick) // below 0 when the boot clock began anew
    return of(boot === bootId() && age >= 0 && age < retryAfter ? 'useless' : 'none')
  }
  const living = processesOf(promise, files).map(process => ({ process, state: stateOf(process) }))
  if (living.some(({ state }) => state === 'stopped')) return of('stopped', Number(tick), Number(lease))
  const clock = living.find(({ state }) => state === 'running')?.process
  if (clock === undefined) return of('none')
  if (tick === undefined) return of('late', Number(clock.start) * clockStep)
  return of(now <= Number(tick) + lateness ? 'runs' : 'late', Number(tick), Number(lease))
}

/** Whether the shepherds may not be woken when their lease is over. Also when that cannot be found out. */
export function mayWakeNobody(files: ClockFiles, now: number): boolean {
  try {
    return ['stopped', 'late'].includes(clockNow(files, now).state)
  } catch {
    return true
  }
}

/**
 * Kills the clock and voids its promise, so that no shepherd counts on it. The kernel wakes the shepherds when the clock
 * is gone, and each sets a timer of its own.
 */
export function endClock(files: ClockFiles): void {
  for (const process of processesOf(readFact(files.promise) ?? '', files)) signal(process, 'SIGKILL')
  if (existsSync(files.promise)) attempt(`empty ${files.promise}`, () => truncateSync(files.promise))
}

/** Says that a guard looks after the clock. The guard of an older release does not, and the clock then ends by itself. */
export function tend(files: ClockFiles, now: number): void {
  const age = now - Number(readFact(files.tended) ?? Number.NaN)
  if (!(age >= 0 && age < tendEvery)) writeFact(files.tended, String(now))
}

/** The process that the promise names, and the one that was launched last: its promise may not be written. */
function processesOf(promise: string, { launched }: ClockFiles) {
  const said = promise.split(' ', 2).join(' ')
  return [said, readLine(launched)].flatMap(text => parseProcess(text) ?? [])
}
