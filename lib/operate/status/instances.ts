/** The status of each instance of a service: what it holds, and what keeps it from working. Pure. */

import { byName } from '../../base/text.ts'
import type { Registered } from '../../consul/health.ts'
import type { Summary } from '../../keys/figures.ts'
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
  /** The last summary of its figures; null when it writes none: it is alone, or has not been there for 30 s. */
  readonly figures: InstanceFigures | null
}

/** What its partitions use together: processors, bytes; the time that the last tick left of the lease, ms. */
export type InstanceFigures = Pick<Summary, 'at' | 'partitions' | 'cpu' | 'memory' | 'restarts' | 'margin'>

export function instanceStatuses(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
  summaries: ReadonlyMap<string, Summary> = new Map(),
): InstanceStatus[] {
  const names = new Set([...cluster.members, ...cluster.registered].map(({ instance }) => instance))
  const members = new Map(cluster.members.toReversed().map(member => [member.instance, member]))
  const registered = new Map(cluster.registered.toReversed().map(one => [one.instance, one]))
  const held = counted([...cluster.locks.values()].map(({ session }) => session))
  const assigned = counted(assignment.values())
  return [...names].sort(byName).map(instance => {
    const member: Member | undefined = members.get(instance)
    return {
      instance,
      state: member ? (member.absence ?? 'member') : stateOutside(registered.get(instance)),
      held: member ? (held.get(member.session) ?? 0) : 0,
      assigned: assigned.get(instance) ?? 0,
      weight: member?.weight ?? 0,
      why: whyHindered(cluster, registered.get(instance), reports.get(instance)?.[everything], instance),
      figures: figuresIn(summaries.get(instance)),
    }
  })
}

function figuresIn(summary: Summary | undefined): InstanceFigures | null {
  if (summary === undefined) return null
  const { at, partitions, cpu, memory, restarts, margin } = summary
  return { at, partitions, cpu, memory, restarts, margin }
}

function counted<Value>(values: Iterable<Value>): Map<Value, number> {
  const counts = new Map<Value, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

/** Its own report, and the trouble that Consul's checks show. In maintenance mode checks fail on purpose: ignored. */
function whyHindered(
  { hindrances }: Cluster,
  registered: Registered | undefined,
  told: string | undefined,
  instance: string,
): string {
  const { trouble, node = '', maintenance } = registered ?? {}
  const own = told ?? hindrances.get(instance)
  const checks = trouble && !maintenance && !hindrances.has(instance) ? troubleWords(trouble, node) : null
  return [checks, own].filter(Boolean).join('; ')
}

/** The state of an instance that is registered but not a member. */
function stateOutside(registered: Registered | undefined): InstanceStatus['state'] {
  return registered?.passing ? 'joining' : 'not passing'
}
