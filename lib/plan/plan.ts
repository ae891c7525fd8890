/**
 * What this instance should do now: steps as data, and one sentence that is also the log line. Pure: no clock, no disk,
 * no network. Safety does not rest on the plan being right, but on the conditions that each step's transaction carries.
 */
import { awaited } from '../keys/away.ts'
import { isFrozen } from '../keys/freeze.ts'
import { isRemade, type Lock, waitOf } from '../keys/lock.ts'
import { type Member, rosterVersion } from '../keys/member.ts'
import { offersOf, sameOffers } from '../keys/offers.ts'
import { proposedLine } from '../keys/proposed.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { isAsMeant, meantFor, whyNot } from '../roll/meant.ts'
import type { Assignment } from '../roster/rule.ts'
import { acquisitionOf, isActive, type Local } from '../state/local.ts'
import { hasNoCommand, isFinished } from '../state/shepherd-status.ts'
import { countStep, isCarriedOut, mayDefineNumber } from './counting.ts'
import { freezeStep } from './freezing.ts'
import { placingSteps } from './placing.ts'
import { mustFollow, saysOther } from './rolling.ts'
import { sentence } from './sentence.ts'
import { byTurn, freeStarts } from './starts.ts'
import type { Step } from './step.ts'
import { withdrawStep } from './withdrawing.ts'

export { partitionsLine } from './counting.ts'

export interface Plan {
  readonly steps: readonly Step[]
  readonly sentence: string
  /** Takeover waits after which this instance claims the lock: partition -> ms that are left. */
  readonly waits: ReadonlyMap<string, number>
  /** How many partitions are assigned to this instance while another still holds their locks. */
  readonly incoming: number
  /** Partitions whose lock is held and whose start waits for others, because of `starts.atOnce`. */
  readonly queued: readonly string[]
}

type Wait = { readonly wait: number }

export function plan(snapshot: Snapshot, assignment: Assignment): Plan {
  const steps: Step[] = []
  const waits = new Map<string, number>()
  if (mustEnter(snapshot)) {
    // While the lease file cannot be written, an instance that entered would leave again: it stays out.
    if (snapshot.renewable) steps.push({ do: 'enter' })
  } else steps.push(...ofService(snapshot), ...placingSteps(snapshot))
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

/** What this instance does for the whole service, beside its own partitions. */
function ofService(snapshot: Snapshot): Step[] {
  const own = mustDefine(snapshot) ? ({ do: 'define' } as const) : countStep(snapshot)
  return [freezeStep(snapshot), own, withdrawStep(snapshot)].filter(step => step !== null)
}

/** Partitions that must not be started yet, because `starts.atOnce` others are still starting. */
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
 * Enter when no live session of ours holds the member key, or when that key still says leaving, names another definition
 * or says another roster version or other offers. The others compute the roster from the member keys, so ours must be true.
 */
function mustEnter(snapshot: Snapshot): boolean {
  const member = snapshot.members.find(({ instance }) => instance === snapshot.instance)
  if (snapshot.session === null || member === undefined || member.absence === 'leaving') return true
  return (
    member.digest !== snapshot.digest ||
    member.roster !== rosterVersion ||
    !member.counts ||
    !member.rolls ||
    saysOther(snapshot, member) ||
    offersOther(snapshot, member)
  )
}

/** The agent's node_meta has changed. Until the catalog shows this instance, nobody knows it. */
function offersOther({ registered, definition }: Snapshot, { instance, offers }: Member): boolean {
  const own = registered.find(one => one.instance === instance)
  return own !== undefined && !sameOffers(offers, offersOf(definition, own.offers))
}

/**
 * The first instance writes its definition's partitions. Later only an instance whose own list has changed writes again. A
 * change that removes partitions is proposed instead: look at it again once somebody applied it, or the set has changed.
 */
function mustDefine(snapshot: Snapshot): boolean {
  const { definition, proposals, instance } = snapshot
  const numbered = mayDefineNumber(snapshot)
  if (numbered !== null) return numbered
  // A set that comes from a source is written by the instance that fetches it: lib/sources/.
  if (!snapshot.defined && definition.source === null) return true
  const proposal = proposals.get(instance)
  if (isCarriedOut(snapshot)) return proposal !== undefined
  if (proposal?.applied && isFrozen(snapshot)) return false // no set shrinks
  if (proposal === undefined || proposal.applied) return true
  return snapshot.proposed !== proposedLine(proposal.change, snapshot)
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
 * The agent refuses the key of its lock, so that the lock can be neither proved nor given back. It stays in the session:
 * nobody can take it before the session ends.
 */
function unusable(id: string, local: Local | null): Step | null {
  if (local === null || !isActive(local)) return null
  return { do: 'stop', partition: id, why: 'the agent refuses its key' }
}

/** Entering comes first. Until then, stop only a partition whose lock another member holds. */
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
  // Somebody overwrote the key while the lease runs. Nobody else can have held the lock, so write our value again.
  if (local?.acquisition != null && local.leaseRuns && local.index !== index && !unwritten) {
    return { do: 'reclaim', partition: id, index, held: true }
  }
  // The session holds an acquisition that this state directory does not know: a Consul backup was restored, or another
  // state directory made it. Another instance may still run the partition.
  if (!ours) return { do: 'disown', partition: id, index, next: nextHolder(snapshot, assignment, id) }
  // A lease ahead of the boot clock was counted by another clock: stop, then claim as a new acquisition.
  const over = local?.releasing != null || local?.aheadOfClock === true
  if (over || mustGiveUp(snapshot, assignment, id)) return release(snapshot, assignment, id, index, true)
  if (local?.index !== index || !local.whole) return { do: 'adopt', partition: id, index }
  const request = snapshot.restarts.get(id) ?? null
  const isAsked = request !== null || local.restart || mustFollow(snapshot, id, lock, local)
  const meant = meantFor(snapshot, snapshot.definition, id, snapshot.instance)
  const cannotStart = whyNot(snapshot.definition, snapshot.own?.prepared ?? null, meant.version) !== null // the report says why
  // Nothing that runs is stopped for a start that cannot follow: the request waits.
  if (isAsked && (local.shepherd === null || !cannotStart)) return { do: 'restart', partition: id, request }
  if (isAsked || cannotStart || !mustStart(snapshot, local)) return null
  const isMeant = local.process !== null || isAsMeant(lock.held, meant)
  return isMeant ? { do: 'start', partition: id } : { do: 'reclaim', partition: id, index, held: true, anew: meant }
}

function mustStart({ chosen, digest }: Snapshot, { leaseRuns, shepherd, status, unrendered }: Local): boolean {
  if (unrendered) return false
  // The document names no known command (act/choose.ts). A changed definition may have it; a changed document clears the status.
  if (hasNoCommand(status) && chosen === digest) return false
  return leaseRuns && shepherd === null && !isFinished(status)
}

function mustGiveUp(snapshot: Snapshot, assignment: Assignment, id: string): boolean {
  if (!snapshot.partitions.has(id)) return snapshot.defined
  if (assignment.get(id) === snapshot.instance) return false
  // A live session means that the guard check is not critical: a health answer that says so is older than the session.
  const absence = snapshot.members.find(member => member.instance === snapshot.instance)?.absence
  return absence !== 'not registered' && absence !== 'not passing'
}

/** The instance to wake when the lock is given back. */
function nextHolder(snapshot: Snapshot, assignment: Assignment, id: string): string | null {
  const assigned = assignment.get(id)
  return assigned === undefined || assigned === snapshot.instance ? null : assigned
}

function release(snapshot: Snapshot, assignment: Assignment, id: string, index: number, held: boolean): Step {
  const next = nextHolder(snapshot, assignment, id)
  return { do: 'release', partition: id, index, held, next, removed: !snapshot.partitions.has(id) && snapshot.defined }
}

/** This machine has an acquisition or a process of the partition, but the session does not hold its lock. */
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
  const wanted = snapshot.partitions.has(id) || !snapshot.defined // no set at all: somebody deleted all keys
  const untouched = ours || lock === null || isRemade(lock)
  const isOwn = (local.leaseRuns && untouched) || (local.kept !== undefined && local.shepherd !== null && ours)
  if (isOwn && local.acquisition !== null && wanted) {
    return { do: 'reclaim', partition: id, index: lock?.modifyIndex ?? null, held: false }
  }
  if (ours && lock !== null) return afterOwn(snapshot, assignment, id, lock, local)
  if (local.index === null && local.shepherd === null && local.process === null) {
    return notMine(snapshot, assignment, id, lock) // an acquisition was written down, but its transaction failed
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

/** This machine has neither an acquisition nor a process of the partition. */
function notMine(snapshot: Snapshot, assignment: Assignment, id: string, lock: Lock | null): Step | Wait | null {
  const isAssigned = snapshot.partitions.has(id) && assignment.get(id) === snapshot.instance
  // A missing key cannot show who held the lock meanwhile: make it again as unclean, and wait from then on.
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
  const wait = Math.max(waitOf(lock, [own, ...snapshot.terms]), awaited(lock, snapshot.away)?.waitMs ?? 0)
  return since + wait - snapshot.now
}
