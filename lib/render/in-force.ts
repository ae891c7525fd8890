/** Which instance a partition can be reached at. Pure. */
import type { Cluster } from '../look/cluster.ts'
import type { Assignment } from '../roster/rule.ts'

/** What is in force for so long as its process is here, whatever the roster says: for files that change after the stop. */
export interface Kept {
  readonly instance: string
  /** The partitions that have an acquisition or a process here. */
  readonly partitions: ReadonlySet<string>
}

/**
 * Partition -> the instance that has it. None for a partition whose lock nobody holds, or a stranger to the service, or that
 * is being stopped or handed over: then nobody can be reached, or soon cannot. There is never more than one.
 */
export function inForce(
  { members, locks, partitions, settings }: Pick<Cluster, 'members' | 'locks' | 'partitions' | 'settings'>,
  placed: Assignment,
  kept?: Kept,
): Map<string, string> {
  const bySession = new Map(members.map(member => [member.session, member]))
  const held = new Set(settings.held)
  const found = new Map<string, string>()
  for (const [id, { session }] of locks) {
    const holder = session === null ? undefined : bySession.get(session)
    if (kept?.partitions.has(id) && (session === null || holder?.instance === kept.instance))
      found.set(id, kept.instance)
    if (holder === undefined || !partitions.has(id) || held.has(id)) continue
    // While nobody is to have it, its holder keeps it, unless it must give up what it has.
    const next = placed.get(id) ?? (holder.absence === null ? holder.instance : undefined)
    if (next === holder.instance) found.set(id, holder.instance)
  }
  return found
}
