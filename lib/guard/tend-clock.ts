/** Starts and ends the clock of an instance with many shepherds: see process/shepherd/clock.sh. */
import { existsSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { type Process, signal } from '../machine/identity.ts'
import { type ClockNow, clockNow, endClock, fewestShepherds, tend } from '../state/clock.ts'
import { readFact } from '../state/facts.ts'
import { type Local, leaseEnd, type Terms } from '../state/local.ts'
import { appendLog } from '../state/log.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'

/** A clock that is this late counts as hung, ms. */
const hungAfter = 2500

/** How long the tick may wait for the launcher, ms. */
const launchLimit = 300

/** What the tick knows. */
interface Ticked {
  readonly local: ReadonlyMap<string, Local>
  /** The partitions whose lease this tick did not renew. */
  readonly unrenewed: ReadonlyMap<string, Local>
  readonly answered: boolean
  /** Until when the next tick has surely spoken, boot clock, ms. */
  readonly next: number
}

/** A failure must not cost the session: without a clock each shepherd has a timer. */
export async function tendClock({ instance, files }: Self, ticked: Ticked): Promise<void> {
  try {
    await tendOrThrow(files, ticked)
  } catch (error) {
    appendLog(files.log, `${instance} guard: the clock: ${reason(error)}`)
  }
}

async function tendOrThrow(files: InstanceFiles, { local, unrenewed, answered, next }: Ticked): Promise<void> {
  const now = bootClock()
  const clock = clockNow(files.clock, now)
  const all = watched(files, local)
  const shortest = Math.min(...all.map(({ terms }) => terms.lease))
  const isDue = watched(files, unrenewed).some(one => leaseEnd(one) >= now && leaseEnd(one) < next)
  if (isDue || isUnfit(clock, shortest, now) || isLeftBehind(files, clock)) end(files, all)
  else if (clock.state === 'none') {
    const many = all.filter(({ acquisition }) => acquisition !== null).length >= fewestShepherds
    if (many && answered) await start(files, shortest)
  } else if (clock.state !== 'useless') tend(files.clock, now)
}

type Watched = Local & { readonly shepherd: Process; readonly terms: Terms }

/** The partitions whose own shepherd may count on the clock. */
function watched(files: InstanceFiles, local: ReadonlyMap<string, Local>): Watched[] {
  const mayCount = (id: string, one: Local): one is Watched =>
    one.shepherd !== null && one.terms !== null && one.home === files.partition(id).directory
  return [...local].flatMap(([id, one]) => (mayCount(id, one) ? [one] : []))
}

/** Stopped, hung, or with a longer lease than some shepherds have: those cannot count on it. */
function isUnfit({ state, tick, lease }: ClockNow, shortest: number, now: number): boolean {
  return state === 'stopped' || (state === 'late' && now > tick + hungAfter) || (state === 'runs' && lease > shortest)
}

/**
 * The shepherds are started in another control group by now, as in a scope where the agent's unit was their place before. The unit
 * would wait for the clock when it stops, longer than a lease.
 */
function isLeftBehind({ clock, groups }: InstanceFiles, { state }: ClockNow): boolean {
  return (state === 'runs' || state === 'late') && (readFact(clock.home) ?? '') !== (readFact(groups) ?? '')
}

/**
 * Each shepherd then has a timer of its own. That is also done before a lease ends that was not renewed, because only then a
 * hung clock would show, too late. The shepherds are signalled here too: the kernel says nothing of the clock's end while
 * another process has the pipe open.
 */
function end(files: InstanceFiles, shepherds: readonly Watched[]): void {
  if (!existsSync(files.clock.directory)) return
  try {
    endClock(files.clock)
  } finally {
    for (const { shepherd } of shepherds) signal(shepherd, 'SIGURG')
  }
}

async function start(files: InstanceFiles, shortest: number): Promise<void> {
  const { startClock } = await import('../process/shepherd/clock.ts')
  const { setTimeout: delay } = process.getBuiltinModule('node:timers/promises') // most ticks start no clock
  await Promise.race([startClock(files, shortest), delay(launchLimit, undefined, { ref: false })])
}
