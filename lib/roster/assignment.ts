/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */

import { noRules } from '../definition/rules.ts'
import { agreed } from '../keys/calm.ts'
import { isFrozen } from '../keys/freeze.ts'
import { followsPlans, type Member } from '../keys/member.ts'
import type { OwnPlan } from '../keys/own-plan.ts'
import { hasRules } from '../keys/placement.ts'
import type { Cluster } from '../look/cluster.ts'
import { asMembers, holdersWithout, onlyTheirOwn, type Waiting, waitingFor } from './calm/awaited.ts'
import { frozen } from './calm/frozen.ts'
import { fewMoves } from './calm/moves.ts'
import type { Followed, follow } from './follow.ts'
import type { PlacedMember } from './member.ts'
import type { place } from './place.ts'
import { isPlanUnknown, planThatCounts } from './plan-that-counts.ts'
import type { Placement, RosterInput, Rule } from './rule.ts'
import { besideHeld } from './rules/held.ts'
import { agreedVersion, versions } from './versions.ts'

type Shown = Pick<
  Cluster,
  | 'members'
  | 'rosters'
  | 'partitions'
  | 'locks'
  | 'settings'
  | 'coolDowns'
  | 'placement'
  | 'placementProblem'
  | 'ownPlan'
  | 'traits'
  | 'away'
  | 'freeze'
>

/** Placement by the rules in force: see place.ts. And by the plan of a scheduler, where there is one: see follow.ts. */
export interface ByRules {
  readonly place: typeof place
  readonly follow: typeof follow | null
}

/** Why a partition without a holder has no place, as far as a program without the last good rules can tell. */
export const rulesUnknown = 'spec/placement is garbled, and only a member that has seen good rules takes it'

/** Why a partition without a holder has no place while the plan in force cannot be read. */
export const planUnknown = 'the plan in force cannot be read; it is withdrawn at once'

/** Loads what places by rules; null where there are none: then it costs nothing. */
export async function rulesFor(cluster: Shown): Promise<ByRules | null> {
  const follows = planThatCounts(cluster) !== null
  if (!follows && !isRuled(cluster)) return null
  const { place } = await import('./place.ts')
  return { place, follow: follows ? (await import('./follow.ts')).follow : null }
}

/** A garbled key may hold rules, though the last good ones were none. */
function isRuled({ placement, placementProblem }: Pick<Cluster, 'placement' | 'placementProblem'>): boolean {
  return placementProblem !== null || hasRules(placement)
}

/** The assignment, with what it needs loaded. */
export async function assigned(cluster: Shown): Promise<Placement> {
  return assign(cluster, versions, await rulesFor(cluster))
}

/**
 * Pure: every instance that sees the same cluster computes the same assignment. The roster version is the lowest one that
 * any instance reports; where rules are in force, it is theirs, and who does not know it gets nothing.
 * @param byRules from `rulesFor` of the same cluster
 */
export function assign(
  cluster: Shown,
  known: readonly (readonly Rule[])[] = versions,
  byRules: ByRules | null = null,
): Placement {
  const rules = known[agreedVersion(cluster.rosters.values(), known.length) - 1] as readonly Rule[]
  const { waiting, ...input } = inputOf(cluster)
  const none: Placement = { placed: new Map(), unplaced: new Map() }
  const byPlan = planThatCounts(cluster) !== null || isPlanUnknown(cluster)
  return besideHeld([...cluster.partitions], new Set(cluster.settings.held), partitions => {
    const all = { ...input, partitions }
    const ideal =
      byPlan || isRuled(cluster)
        ? ruled(cluster, all, byRules)
        : rules.reduce((before, rule) => rule.place(before, all), none)
    return calmed(onlyTheirOwn(ideal, waiting, holderIn(cluster)), cluster)
  })
}

/** The entries of the plan that do not count now, and why: partition id -> words. Null when there is no plan that counts. */
export function voidEntries(cluster: Shown, byRules: ByRules | null): ReadonlyMap<string, string> | null {
  if (planThatCounts(cluster) === null || cluster.placement?.unknown) return null
  const held = new Set(cluster.settings.held)
  const partitions = [...cluster.partitions].filter(id => !held.has(id))
  return followed(cluster, { ...inputOf(cluster), partitions }, byRules).voided
}

function inputOf(cluster: Shown): Omit<RosterInput, 'partitions'> & { readonly waiting: Waiting } {
  const waiting = waitingFor(cluster)
  const present = cluster.members.filter(member => member.absence === null)
  const members = waiting.size === 0 ? present : [...present, ...asMembers(waiting, cluster.away)]
  const avoided = new Map([...cluster.coolDowns].map(([id, { instance }]) => [id, instance]))
  return { members, holders: holdersWithout(holdersOf(cluster), waiting), avoided, waiting }
}

/** What of it is done now. */
function calmed(placement: Placement, cluster: Shown): Placement {
  const rules = hasRules(cluster.placement) ? cluster.placement.rules : null
  const isLimited = () => cluster.members.some(({ maxCost }) => maxCost)
  const dependent =
    rules === null ? planThatCounts(cluster) !== null && isLimited() : rules.apart.length > 0 || isLimited()
  if (isFrozen(cluster)) return frozen(placement, cluster, dependent)
  const inForce = agreed(cluster.members)
  if (inForce.back && inForce.movesAtOnce === Number.POSITIVE_INFINITY) return placement
  // A move that is put off could leave a partition where a hard rule refuses it, by itself or beside another one.
  if (dependent || (rules !== null && rules.only.length > 0)) return placement
  return fewMoves(placement, cluster, inForce)
}

/** The member that holds a lock and takes part. */
function holderIn({ members, locks }: Shown): (id: string) => string | undefined {
  const bySession = new Map(
    members.flatMap(({ session, instance, absence }) => (absence === null ? [[session, instance] as const] : [])),
  )
  return id => bySession.get(locks.get(id)?.session ?? '')
}

type Able = PlacedMember & Pick<Member, 'roster'>

function ruled(cluster: Shown, input: RosterInput, byRules: ByRules | null): Placement {
  const { placement, placementProblem, traits } = cluster
  if (isPlanUnknown(cluster)) return asItIs(input, planUnknown)
  if (placement?.unknown) return asItIs(input, rulesUnknown)
  if (planThatCounts(cluster) !== null) return followed(cluster, input, byRules)
  if (byRules === null || placement === null) throw new Error('placement by rules was not loaded')
  const { able, older } = knowing(input, placement.needs)
  const { rules, pins } = placement
  const by = (pinned: ReadonlyMap<string, string>) =>
    byRules.place({ ...input, members: able, rules, pins: pinned, traits }, older)
  return placementProblem === null ? by(pins) : unmoved(by, pins, input.holders)
}

function knowing({ members }: RosterInput, needs: number): { readonly able: readonly Able[]; readonly older: number } {
  const able = (members as readonly Able[]).filter(({ roster }) => roster >= needs)
  return { able, older: members.length - able.length }
}

/** By the plan, and by the rules where there are any. */
function followed(cluster: Shown, input: RosterInput, byRules: ByRules | null): Followed {
  const plan = planThatCounts(cluster) as OwnPlan
  if (byRules?.follow == null) throw new Error('placement by the plan was not loaded')
  const { rules, pins, needs } = cluster.placement ?? { rules: noRules, pins: new Map<string, string>(), needs: 0 }
  const { able, older } = knowing(input, Math.max(needs, followsPlans))
  const names = new Set(able.map(({ instance }) => instance))
  const isThere = (one: Pick<Member, 'absence' | 'instance'>) => one.absence === null && names.has(one.instance)
  const present = new Set(cluster.members.filter(isThere).map(({ instance }) => instance))
  const asked = { ...input, members: able, rules, pins, traits: cluster.traits, present }
  return byRules.follow(plan, asked, (pinned, partitions) =>
    byRules.place({ ...asked, pins: pinned, partitions }, older),
  )
}

/**
 * While the key is garbled, members may go by different rules, since one was away when they changed. A partition that moved
 * could go to a member that would not take it. So each stays with its holder, and only what may not stay goes by the rules.
 */
function unmoved(
  by: (pins: ReadonlyMap<string, string>) => Placement,
  pins: ReadonlyMap<string, string>,
  holders: ReadonlyMap<string, string>,
): Placement {
  const found = by(new Map([...pins, ...holders]))
  if (found.unplaced.size === 0) return found
  const stay = [...holders].filter(([id, holder]) => found.placed.get(id) === holder)
  return by(new Map([...pins, ...stay]))
}

function asItIs({ members, partitions, holders }: RosterInput, why: string): Placement {
  const names = new Set(members.map(({ instance }) => instance))
  const stays = (id: string) => names.has(holders.get(id) ?? '')
  return {
    placed: new Map(partitions.filter(stays).map(id => [id, holders.get(id) as string])),
    unplaced: new Map(partitions.filter(id => !stays(id)).map(id => [id, why])),
  }
}

/**
 * Partition id -> the instance that holds it, or counts as its holder. A held lock belongs to the instance of its session,
 * whatever the value says. A free unclean lock still counts as its last holder's: an instance that lost only its session
 * gets its own locks back. A clean lock counts as the next holder's, whom the release named: the roster does not change in
 * the middle of a hand-over.
 */
export function holdersOf(cluster: Pick<Cluster, 'members' | 'locks'>): Map<string, string> {
  const bySession = new Map(cluster.members.map(member => [member.session, member.instance]))
  const holders = new Map<string, string>()
  for (const [id, lock] of cluster.locks) {
    const holder = lock.session === null ? (lock.held?.instance ?? lock.next) : bySession.get(lock.session)
    if (holder != null) holders.set(id, holder)
  }
  return holders
}
