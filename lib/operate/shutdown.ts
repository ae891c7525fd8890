/**
 * Leaves because the machine stops, within a limit. First as `leave` does. What has not stopped shortly before the limit is
 * killed; what is not gone even then is not given back: its lock becomes free with the session, as an unclean one, so that others
 * wait for the takeover wait. After the reboot the agent registers the service again, and the instance takes part.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { attend } from '../attend/attend.ts'
import { bootClock, bootId, duration } from '../base/clock.ts'
import { Permanent, reason } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { everyRunner } from '../guard/doomed.ts'
import { signal } from '../machine/identity.ts'
import { killMembers } from '../process/containment/containment.ts'
import { writeFact } from '../state/facts.ts'
import { instanceLease } from '../state/lease.ts'
import { isActive, type Local, livingProcesses, localFacts } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import { goodbye, leave } from './leave.ts'

/** This part of the limit, and at most so many ms, is kept for the kill and for giving back what it ended. */
const shareForKill = 0.25
const mostForKill = 5000

/** How soon a leave that failed is tried again, ms. */
const again = 250

/** How long a leave that fails is tried while nothing runs any more: nobody waits 30 s for an agent that is not there, ms. */
const patience = 5000

/** The limit of a request once the time is over, ms. */
const lastRequest = 1000

/** @returns ms @throws Permanent when it is not a duration that a machine waits for */
export function limitIn(text: string): number {
  const limit = duration(text)
  if (limit !== null && limit >= 1000 && limit <= 300_000) return limit
  throw new Permanent(`cannot read the arguments: --limit ${text} is no time from 1s to 5m; give one such as 30s`)
}

export interface LeftForShutdown {
  readonly released: number
  /** Stopped by SIGKILL shortly before the limit. */
  readonly killed: readonly string[]
  /** Not given back: others wait for the takeover wait. */
  readonly lost: readonly string[]
  /** Why the last attempt to leave failed; null when none did. */
  readonly problem: string | null
}

/** @param limit of everything, ms @throws Temporary when the state directory cannot be read or written */
export async function leaveForShutdown(run: Run, limit: number): Promise<LeftForShutdown> {
  const end = performance.now() + limit
  const left = await leaveWithin(run, limit, end)
  // The last hooks, as far as there is time: the guard, which would start them, is deregistered.
  const hooks = attend(run, 0).catch(error => run.log(`hooks: ${reason(error)}`))
  await Promise.race([hooks, delay(Math.max(end - performance.now(), 0), null, { ref: false })])
  return left
}

async function leaveWithin(run: Run, limit: number, end: number): Promise<LeftForShutdown> {
  const killed: string[] = []
  const kill = () => killed.push(...killRest(run))
  const timer = setTimeout(kill, limit - Math.min(limit * shareForKill, mostForKill))
  const leaving = new AbortController()
  const failure = { why: 'it did not stop in time' }
  try {
    const trying = tryToLeave(run, end, leaving, failure)
    const late = delay(limit, null, { ref: false })
    const done = await Promise.race([trying, late])
    if (done !== null) return { released: done, killed, lost: [], problem: null }
    return { released: 0, killed, lost: await abandon(run), problem: failure.why }
  } finally {
    leaving.abort()
    clearTimeout(timer)
  }
}

/** @param failure gets why the last attempt failed @returns how many were given back; null when it gives up, or is aborted */
async function tryToLeave(
  run: Run,
  end: number,
  { signal }: AbortController,
  failure: { why: string },
): Promise<number | null> {
  const giveUp = performance.now() + patience
  while (!signal.aborted) {
    try {
      return await leave(run, end - performance.now())
    } catch (error) {
      failure.why = reason(error)
      run.log(`leaves for the shutdown: ${failure.why}`)
      stopHere(run) // Consul may be away until the end: then at least the processes have their grace period
      const local = factsOf(run)
      if (![...local.values()].some(isActive) || (performance.now() > giveUp && running(local).size === 0)) return null
    }
    await delay(again)
  }
  return null
}

/** Tells every shepherd to stop its process as the definition says. One that does so already takes no notice. */
function stopHere(run: Run): void {
  for (const files of everyRunner(run.files, factsOf(run))) {
    const { shepherd } = livingProcesses(files)
    if (shepherd) signal(shepherd, 'SIGTERM')
  }
}

/** @returns the partitions whose processes it has killed */
function killRest(run: Run): string[] {
  const rest = running(factsOf(run))
  if (rest.size === 0) return []
  const runners = everyRunner(run.files, rest)
  killMembers(runners)
  for (const files of runners) {
    const { shepherd } = livingProcesses(files)
    if (shepherd) signal(shepherd, 'SIGKILL')
  }
  killMembers(runners) // what a shepherd had started meanwhile
  run.log(`leaves for the shutdown: killed ${[...rest.keys()].join(', ')}: the time is over`)
  return [...rest.keys()]
}

/**
 * The time is over, or Consul is away. Handlers must not begin anew, so the instance is taken out of Consul, if that answers.
 * @returns what was not given back
 */
async function abandon(run: Run): Promise<string[]> {
  killRest(run)
  const lost = [...factsOf(run)].filter(([, one]) => isActive(one)).map(([id]) => id)
  run.consul.close() // the attempt that is still under way
  const consul = run.consul.another(lastRequest)
  try {
    await goodbye({ ...run, consul }, { keys: keysOf(run.service) })
  } catch (error) {
    run.log(`leaves for the shutdown: ${reason(error)}`)
  } finally {
    consul.close()
    writeFact(run.files.left, `${bootId()} ${bootClock()}`)
  }
  return lost
}

function factsOf({ files }: Run): Map<string, Local> {
  const now = bootClock()
  return localFacts(files, instanceLease(files, now), now)
}

function running(local: ReadonlyMap<string, Local>): Map<string, Local> {
  return new Map([...local].filter(([, { shepherd, process }]) => shepherd !== null || process !== null))
}
