/**
 * What this instance should do now: steps as data, and one sentence that is also the log line. Pure: no clock, no disk,
 * no network. Safety does not rest on the plan being right, but on the conditions that each step's transaction carries.
 */
import { isRemade, type Lock, waitOf } from '../keys/lock.ts'
import { rosterVersion } from '../keys/member.ts'
import { proposedLine } from '../keys/proposed.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Assignment } from '../roster/rule.ts'
import { acquisitionOf, isActive, type Local } from '../state/local.ts'
import { hasNoCommand, isFinished } from '../state/shepherd-status.ts'
import { sentence } from './sentence.ts'
import { byTurn, freeStarts } from './starts.ts'
import type { Step } from './step.ts'

export interface Plan {
  readonly steps: readonly Step[]
  readonly sentence: string
  /** Takeover waits that this instance is to see the end of: partition -> ms until then. */
  readonly waits: ReadonlyMap<string, number>
  /** Partitions that are this instance's to have, and still another's. */
  readonly incoming: number
  /** Partitions that are held and to be started, once others are up. */
  readonly queued: readonly string[]
}

type Wait = { readonly wait: number }

export function plan(snapshot: Snapshot, assignment: Assignment): Plan {
  const steps: Step[] = []
  const waits = new Map<string, number>()
  if (mustEnter(snapshot)) {
    // Without a lease that can be written it stays out, or goes on to hand over: whoever entered would leave again.
    if (snapshot.renewable) steps.push({ do: 'enter' })
  } else if (mustDefine(snapshot)) steps.push({ do: 'define' })
  for (const id of everyId(snapshot)) {
    const decision = decide(snapshot, assignment, id)
    if (decision === null) continue
    if ('wait' in decision) waits.set(id, decision.wait)
    else steps.push(decision)
  }
  const queued = startsLeftOut(snapshot, steps)
  const now = steps.filter(step => step.do !== 'start' || !queued.has(step.partition))
  return {
    steps: now,
    waits,
    incoming: incoming(snapshot, assignment),
    queued: [...queued],
    sentence: sentence(snapshot, now, waits, queued.size),
  }
}

/** Those that may not be started yet, because enough others are on their way up. */
function startsLeftOut(snapshot: Snapshot, steps: readonly Step[]): ReadonlySet<string> {
  const starts = steps.flatMap(step => (step.do === 'start' ? [step.partition] : []))
  const free = starts.length > 0 ? freeStarts(snapshot) : 0
  return new Set(free < starts.length ? byTurn(snapshot.local, starts).slice(free) : [])
}

function incoming(snapshot: Snapshot, assignment: Assignment): number {
  const held = [...snapshot.locks].filter(([, lock]) => lock.session !== null && lock.session !== snapshot.session)
  return held.filter(([id]) => assignment.get(id) === snapshot.instance && !snapshot.unusable.has(id)).length
}

/**
 * No session of this life holds the member key, or what stands there is not the present definition, a leave that died, or
 * the version of the roster of another release: others compute what all keys say.
 */
function mustEnter(snapshot: Snapshot): boolean {
  const member = snapshot.members.find(({ instance }) => instance === snapshot.instance)
  if (snapshot.session === null || member === undefined || member.absence === 'leaving') return true
  return member.digest !== snapshot.digest || member.roster !== rosterVersion
}

/**
 * The definition's partitions are written by whoever is first, and again only by an instance whose own have changed. Where
 * they would remove some, that was proposed: it is looked at again once somebody has applied it, or the set is another one.
 */
function mustDefine(snapshot: Snapshot): boolean {
  const { definition, proposals, instance } = snapshot
  // What comes from elsewhere is written by whoever fetches it.
  if (!snapshot.defined && definition.source === null) return true
  const proposal = proposals.get(instance)
  if (snapshot.definedLast === partitionsLine(definition.partitions)) return proposal !== undefined
  if (proposal === undefined || proposal.applied) return true
  return snapshot.proposed !== proposedLine(proposal.change, snapshot)
}

/** One line that tells one list of partitions from another. */
export function partitionsLine(partitions: readonly string[]): string {
  return JSON.stringify(partitions)
}

function everyId(snapshot: Snapshot): Set<string> {
  return new Set([...snapshot.partitions, ...snapshot.locks.keys(), ...snapshot.local.keys()])
}

function decide(snapshot: Snapshot, assignment: Assignment, id: string): Step | Wait | null {
  const lock = snapshot.locks.get(id) ?? null
  const local = snapshot.local.get(id) ?? null
  if (snapshot.unusable.has(id)) return unusable(id, local)
  if (snapshot.session === null) return withoutSession(snapshot, id, lock, local)
  if (lock !== null && lock.session === snapshot.session) return mine(snapshot, assignment, id, lock, local)
  if (local !== null && isActive(local)) return notMineAnyMore(snapshot, assignment, id, lock, local)
  return notMine(snapshot, assignment, id, lock)
}

/**
 * Its lock can be neither proved nor given back through this agent. It stays in the session, as one that was lost: nobody
 * takes it before the session ends.
 */
function unusable(id: string, local: Local | null): Step | null {
  if (local === null || !isActive(local)) return null
  return { do: 'stop', partition: id, why: 'the agent refuses its key' }
}

/** Entering comes first. Until then only a lock that is seen in another instance's hands is given up. */
function withoutSession(snapshot: Snapshot, id: string, lock: Lock | null, local: Local | null): Step | null {
  if (local === null || !isActive(local) || lock === null || lock.session === null) return null
  const holder = snapshot.members.find(member => member.session === lock.session)
  if (holder === undefined || holder.instance === snapshot.instance) return null
  return { do: 'stop', partition: id, why: `${holder.instance} holds its lock` }
}

/** The lock is in this instance's session. */
function mine(snapshot: Snapshot, assignment: Assignment, id: string, lock: Lock, local: Local | null): Step | null {
  const known = local && acquisitionOf(local)
  const index = lock.modifyIndex
  const ours = known !== null && known === lock.held?.acquisition
  const unwritten = ours && local?.index === null
  // Overwritten by someone while its lease runs: nobody can have had it meanwhile, so the value is written anew.
  if (local?.acquisition != null && local.leaseRuns && local.index !== index && !unwritten) {
    return { do: 'reclaim', partition: id, index, held: true }
  }
  // A restored backup, or another state directory: nobody knows who else may still run it.
  if (!ours) return { do: 'disown', partition: id, index, next: nextHolder(snapshot, assignment, id) }
  // Whatever runs by a clock that was another is stopped, and the partition claimed as a new acquisition.
  const over = local?.releasing != null || local?.aheadOfClock === true
  if (over || mustGiveUp(snapshot, assignment, id)) return release(snapshot, assignment, id, index, true)
  if (local?.index !== index || !local.whole) return { do: 'adopt', partition: id, index }
  const request = snapshot.restarts.get(id) ?? null
  if (request !== null || local.restart) return { do: 'restart', partition: id, request }
  return mustStart(snapshot, local) ? { do: 'start', partition: id } : null
}

function mustStart({ chosen, digest }: Snapshot, { leaseRuns, shepherd, status }: Local): boolean {
  // Another definition may have its command; another document clears the status: see act/choose.ts.
  if (hasNoCommand(status) && chosen === digest) return false
  return leaseRuns && shepherd === null && !isFinished(status)
}

function mustGiveUp(snapshot: Snapshot, assignment: Assignment, id: string): boolean {
  if (!snapshot.partitions.has(id)) return snapshot.defined
  if (assignment.get(id) === snapshot.instance) return false
  // While the session lives, the guard check is not critical: an answer that says otherwise is older than the session.
  const absence = snapshot.members.find(member => member.instance === snapshot.instance)?.absence
  return absence !== 'not registered' && absence !== 'not passing'
}

/** Who is to be woken when a lock is given back. */
function nextHolder(snapshot: Snapshot, assignment: Assignment, id: string): string | null {
  const assigned = assignment.get(id)
  return assigned === undefined || assigned === snapshot.instance ? null : assigned
}

function release(snapshot: Snapshot, assignment: Assignment, id: string, index: number, held: boolean): Step {
  const next = nextHolder(snapshot, assignment, id)
  return { do: 'release', partition: id, index, held, next, removed: !snapshot.partitions.has(id) && snapshot.defined }
}

/** Here is an acquisition, or something that runs, but the lock is not in this instance's session. */
function notMineAnyMore(
  snapshot: Snapshot,
  assignment: Assignment,
  id: string,
  lock: Lock | null,
  local: Local,
): Step | Wait | null {
  if (lock !== null && lock.session !== null) return { do: 'stop', partition: id, why: 'its lock is held by another' }
  const ours = lock?.held != null && lock.held.acquisition === acquisitionOf(local)
  // While the lease runs nobody else can have waited long enough to take it.
  const wanted = snapshot.partitions.has(id) || !snapshot.defined // not even a set: someone has wiped everything
  const untouched = ours || lock === null || isRemade(lock)
  if (local.leaseRuns && local.acquisition !== null && untouched && wanted) {
    return { do: 'reclaim', partition: id, index: lock?.modifyIndex ?? null, held: false }
  }
  if (ours && lock !== null) return afterOwn(snapshot, assignment, id, lock, local)
  if (local.index === null && local.shepherd === null && local.process === null) {
    return notMine(snapshot, assignment, id, lock) // written down, but never taken
  }
  return { do: 'stop', partition: id, why: 'its lock is lost' }
}

/** A free lock whose last acquisition was this instance's own: nobody has had it since. */
function afterOwn(
  snapshot: Snapshot,
  assignment: Assignment,
  id: string,
  lock: Lock,
  local: Local,
): Step | Wait | null {
  const runs = local.shepherd !== null || local.process !== null
  const again = assignment.get(id) === snapshot.instance && snapshot.partitions.has(id)
  if (runs || !again) return release(snapshot, assignment, id, lock.modifyIndex, false)
  return claim(snapshot, id, lock, true)
}

/** Nothing of this partition is here. */
function notMine(snapshot: Snapshot, assignment: Assignment, id: string, lock: Lock | null): Step | Wait | null {
  const isAssigned = snapshot.partitions.has(id) && assignment.get(id) === snapshot.instance
  // The takeover wait counts from then on: of a missing key nobody can tell whether others had it in between.
  if (lock === null) return isAssigned ? { do: 'remake', partition: id } : null
  if (lock.session !== null) return null
  const left = lock.clean ? 0 : waitLeft(snapshot, id, lock)
  if (!snapshot.partitions.has(id)) {
    return snapshot.defined && left <= 0 ? { do: 'delete', partition: id, index: lock.modifyIndex } : null
  }
  if (!isAssigned) return null
  return left > 0 ? { wait: left } : claim(snapshot, id, lock, !lock.clean)
}

/** Nothing is claimed before the guard's first success: without it nobody would renew the lease. */
function claim(snapshot: Snapshot, id: string, lock: Lock, takeover: boolean): Step | null {
  if (!snapshot.leaseRuns) return null
  return { do: 'claim', partition: id, index: lock.modifyIndex, takeover }
}

/** What is left of the takeover wait, ms. */
function waitLeft(snapshot: Snapshot, id: string, lock: Lock): number {
  const since = snapshot.free.get(id)?.since ?? snapshot.now
  const own = { lease: snapshot.definition.leaseMs, grace: snapshot.definition.stop.graceMs }
  return since + waitOf(lock, [own, ...snapshot.terms]) - snapshot.now
}
