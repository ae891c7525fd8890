/** The status of each instance of a service: what it holds, and what keeps it from working. Pure. */

import { byName } from '../../base/text.ts'
import type { Member } from '../../keys/member.ts'
import { everything, type Report } from '../../keys/report.ts'
import type { Cluster } from '../../look/cluster.ts'
import type { Assignment } from '../../roster/rule.ts'
import { troubleWords } from './words.ts'

export interface InstanceStatus {
  readonly instance: string
  readonly state: 'member' | 'leaving' | 'drained' | 'in maintenance' | 'not passing' | 'not registered' | 'joining'
  readonly held: number
  readonly assigned: number
  readonly weight: number
  /** What keeps it from working; empty when nothing does. */
  readonly why: string
}

export function instanceStatuses(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
): InstanceStatus[] {
  const names = new Set([...cluster.members, ...cluster.registered].map(({ instance }) => instance))
  const holders = [...cluster.locks.values()].filter(({ session }) => session !== null)
  return [...names].sort(byName).map(instance => {
    const member: Member | undefined = cluster.members.find(candidate => candidate.instance === instance)
    return {
      instance,
      state: member ? (member.absence ?? 'member') : stateOutside(cluster, instance),
      held: member ? holders.filter(({ session }) => session === member.session).length : 0,
      assigned: [...assignment.values()].filter(assigned => assigned === instance).length,
      weight: member?.weight ?? 0,
      why: whyHindered(cluster, reports.get(instance)?.[everything], instance),
    }
  })
}

/** Its own report, and the trouble that Consul's checks show. In maintenance mode checks fail on purpose, so ignore them. */
function whyHindered(cluster: Cluster, told: string | undefined, instance: string): string {
  const { trouble, node = '', maintenance } = cluster.registered.find(one => one.instance === instance) ?? {}
  const own = told ?? cluster.hindrances.get(instance)
  const checks = trouble && !maintenance && !cluster.hindrances.has(instance) ? troubleWords(trouble, node) : null
  return [checks, own].filter(Boolean).join('; ')
}

/** The state of an instance that is registered but not a member. */
function stateOutside(cluster: Cluster, instance: string): InstanceStatus['state'] {
  return cluster.registered.find(candidate => candidate.instance === instance)?.passing ? 'joining' : 'not passing'
}
