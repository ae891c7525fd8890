/** Whether the plan of a scheduler counts in a look. Everybody decides it by the same look. */

import { followsPlans } from '../keys/member.ts'
import type { OwnPlan } from '../keys/own-plan.ts'
import type { Cluster } from '../look/cluster.ts'

type Shown = Pick<Cluster, 'ownPlan' | 'rosters' | 'members' | 'settings' | 'placementProblem'>

/** While the rules are not known, no entry can be held against them. */
export function planThatCounts(cluster: Shown): OwnPlan | null {
  const { plan } = cluster.ownPlan
  if (plan === null || cluster.placementProblem !== null) return null
  return olderThanPlans(cluster).length === 0 ? plan : null
}

/** The pointer names a plan that cannot be read. Others may know it, so everything stays where it is until it is withdrawn. */
export function isPlanUnknown({ ownPlan: { pointer, problem } }: Pick<Cluster, 'ownPlan'>): boolean {
  return pointer !== null && problem !== null
}

/**
 * Instances of a release that does not follow plans. While one of them takes part, or may come back, the plan does not count:
 * it would give partitions to itself by the ordinary roster. One that is drained or leaves gives itself nothing.
 */
export function olderThanPlans({
  rosters,
  members,
  settings,
}: Pick<Shown, 'rosters' | 'members' | 'settings'>): string[] {
  const leaving = new Set(members.flatMap(({ instance, absence }) => (absence === 'leaving' ? [instance] : [])))
  return [...rosters]
    .filter(([instance, roster]) => roster < followsPlans && !leaving.has(instance))
    .map(([instance]) => instance)
    .filter(instance => !settings.drained.includes(instance))
    .sort()
}
