/**
 * Leaves because the machine stops, within a limit. First as `leave` does. What has not stopped shortly before the limit is
 * killed; what is not gone even then is not given back: its lock becomes free with the session, as an unclean one, so that others
 * wait for the takeover wait. After the reboot the agent registers the service again, and the instance takes part.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, bootId } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
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

/** The limit of a request once the time is over, ms. */
const lastRequest = 1000

export interface LeftForShutdown {
  readonly released: number
  /** Stopped by SIGKILL shortly before the limit. */
  readonly killed: readonly string[]
  /** Not given back: others wait for the takeover wait. */
  readonly lost: readonly string[]
  /** Why the last attempt to leave failed; null when none did. */
  readonly problem: string | null
}

/** @param limit of everything, ms @throws never: a machine that stops waits for nobody */
export async function leaveForShutdown(run: Run, limit: number): Promise<LeftForShutdown> {
  const end = performance.now() + limit
  const killed: string[] = []
  const kill = () => killed.push(...killRest(run))
  const timer = setTimeout(kill, limit - Math.min(limit * shareForKill, mostForKill))
  const leaving = new AbortController()
  try {
    const trying = tryToLeave(run, end, leaving)
    const late = delay(limit, null, { ref: false })
    const done = await Promise.race([trying, late])
    if (done !== null) return { ...done, killed, lost: [] }
    return { released: 0, killed, ...(await abandon(run)) }
  } finally {
    leaving.abort()
    clearTimeout(timer)
  }
}

/** @returns null when it is not done by then */
async function tryToLeave(run: Run, end: number, { signal }: AbortController) {
  while (performance.now() < end && !signal.aborted) {
    try {
      return { released: await leave(run, end - performance.now()), problem: null }
    } catch (error) {
      run.log(`leaves for the shutdown: ${reason(error)}`)
      stopHere(run) // Consul may be away until the end: then at least the processes have their grace period
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

/** The time is over. Handlers must not begin anew, so the instance is taken out of Consul, if that answers. */
async function abandon(run: Run): Promise<Pick<LeftForShutdown, 'lost' | 'problem'>> {
  killRest(run)
  const lost = [...factsOf(run)].filter(([, one]) => isActive(one)).map(([id]) => id)
  run.consul.close() // the attempt that is still under way
  const consul = run.consul.another(lastRequest)
  try {
    await goodbye({ ...run, consul }, { keys: keysOf(run.service) })
    return { lost, problem: 'some partitions did not stop in time' }
  } catch (error) {
    return { lost, problem: reason(error) }
  } finally {
    consul.close()
    writeFact(run.files.left, `${bootId()} ${bootClock()}`)
  }
}

function factsOf({ files }: Run): Map<string, Local> {
  const now = bootClock()
  return localFacts(files, instanceLease(files, now), now)
}

function running(local: ReadonlyMap<string, Local>): Map<string, Local> {
  return new Map([...local].filter(([, { shepherd, process }]) => shepherd !== null || process !== null))
}
