/**
 * What is due while Consul does not answer: a stand-in is to be started or ended, or what this machine had is to be started after
 * a boot. Most services have neither, and load nothing of it.
 */
import { bootClock, bootId } from '../base/clock.ts'
import { aliveMembers } from '../consul/gossip.ts'
import type { Consul } from '../consul/http.ts'
import type { Definition, StandIn } from '../definition/definition.ts'
import { standInRuns } from '../process/stand-in.ts'
import { readFact, writeFact } from '../state/facts.ts'
import { instanceLease } from '../state/lease.ts'
import { isAssumed, type Local, leaseEnd, localFacts } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { isFinished } from '../state/shepherd-status.ts'
import { hasStandIn } from '../state/stand-in.ts'

type Connect = (limit: number) => Consul

/** Limit of the question to the local agent, ms: the tick has waited for Consul already. */
const questionLimit = 400

/** A timer may be a little early, ms. */
const early = 50

/** Without a tick for this long, ms, the time without an answer counts anew: the agent did not run. */
const voidAfter = 10_000

/**
 * A stand-in that is due before the next tick is asked for now: the agent of a machine that is cut off runs no check for half a
 * minute once one of them has changed its state (seen on 1.8.7), and that of another service may do so first.
 * @param connect gives a connection to Consul for so many ms: it must not be loaded again here
 * @param over the lease is over and nothing runs; @param next the latest end of the next tick, boot clock, ms
 * @returns the arguments of the program to start; null for none
 */
export async function cutOffDue(
  files: InstanceFiles,
  definition: Definition,
  connect: Connect,
  over: boolean,
  next = 0,
): Promise<string[] | null> {
  const { whenIsolated, onBoot } = definition
  const end = leaseEndOf(files, definition)
  if (typeof whenIsolated === 'object' && !over && end < next && !hasStandIn(files))
    return ['--stand-in', 'run', '--after', String(Math.max(0, end - bootClock()) + early)]
  const wanted = over && typeof whenIsolated === 'object' && (await isWithin(whenIsolated, connect))
  const standIn = wanted ? (standInRuns(files) ? null : 'run') : hasStandIn(files) ? 'end' : null
  const boot = onBoot !== undefined && isUnreached(files, definition.leaseMs) && bootable(files).length > 0
  if (standIn === null && !boot) return null
  return [...(standIn === null ? [] : ['--stand-in', standIn]), ...(boot ? ['--on-boot'] : [])]
}

/** Of the instance and all that it holds; 0 when none runs. */
function leaseEndOf(files: InstanceFiles, { leaseMs }: Definition): number {
  const now = bootClock()
  const t0 = instanceLease(files, now)
  const ends = [...localFacts(files, t0, now).values()].map(leaseEnd)
  return Math.max(0, t0 === null ? 0 : t0 + leaseMs, ...ends)
}

export async function isWithin(
  { atLeast = 0, atMost = Number.POSITIVE_INFINITY }: StandIn,
  connect: Connect,
): Promise<boolean> {
  if (atLeast === 0 && atMost === Number.POSITIVE_INFINITY) return true
  const consul = connect(questionLimit)
  try {
    const seen = await aliveMembers(consul)
    return seen >= atLeast && seen <= atMost
  } finally {
    consul.close()
  }
}

/** Consul usually needs some seconds after a boot: a lease long, without an answer, must have passed. */
function isUnreached({ unreached }: InstanceFiles, leaseMs: number): boolean {
  const now = bootClock()
  const [boot, since, last] = readFact(unreached)?.split(' ') ?? []
  const [age, waited] = [now - Number(last), now - Number(since)]
  // What is garbled, or ahead of the clock, counts from now on, and not for ever.
  const begun = boot === bootId() && age >= 0 && age < voidAfter && waited >= age ? Number(since) : now
  writeFact(unreached, `${bootId()} ${begun} ${now}`)
  return now - begun >= leaseMs
}

/** What was this machine's at the last proof, goes on while it is cut off, and does not run. */
export function bootable(files: InstanceFiles): string[] {
  const now = bootClock()
  return [...localFacts(files, instanceLease(files, now), now)].flatMap(([id, one]) => (isBootable(one) ? [id] : []))
}

function isBootable(one: Local): boolean {
  const { terms, releasing, pinned, leaseRuns, shepherd, process, token, status, restart } = one
  if (terms?.whenIsolated !== 'keep' || !isAssumed(one) || token === null) return false
  const isDown = shepherd === null && process === null && !leaseRuns
  return isDown && releasing === null && !pinned && !restart && !isFinished(status)
}
