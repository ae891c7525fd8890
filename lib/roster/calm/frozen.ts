/** A frozen service: nothing moves, and what was lost waits for the instance that had it. */

import type { Cluster } from '../../look/cluster.ts'
import type { Placement } from '../rule.ts'
import { noRoom } from '../rules/balance.ts'

/** Why nobody takes a partition that was lost, or whose last holder is not known. */
export const frozenLost = 'the service is frozen'

type Shown = Pick<Cluster, 'members' | 'locks'>

/**
 * Every partition stays with its holder, and a lost one with the instance that lost it, if that takes part. Only clean locks
 * are for whom the rules say: there is no holder that could still run. A holder that is drained or leaves gives up.
 * @param dependent where one partition may be depends on others: `apart`, `maxCost`
 */
export function frozen({ placed, unplaced }: Placement, { members, locks }: Shown, dependent = false): Placement {
  const there = new Set(members.flatMap(({ instance, absence }) => (absence === null ? [instance] : [])))
  const bySession = new Map(members.map(({ session, instance }) => [session, instance]))
  const now = new Map<string, string>()
  const without = new Map(unplaced)
  const clean: string[] = []
  for (const id of new Set([...placed.keys(), ...unplaced.keys()])) {
    const lock = locks.get(id)
    const holder = lock?.session ? bySession.get(lock.session) : lock?.held?.instance
    if (lock !== undefined && lock.session === null && lock.clean) clean.push(id)
    else if (holder !== undefined && there.has(holder)) now.set(id, holder)
    else if (!lock?.session) without.set(id, frozenLost)
    else if (placed.has(id)) now.set(id, placed.get(id) as string)
  }
  const free = dependent ? clean.filter(id => isUndisturbed(placed, now, placed.get(id))) : clean
  for (const id of clean) if (!free.includes(id)) without.set(id, noRoom)
  return withClean({ placed: now, unplaced: without }, free, placed, members)
}

/** Whether the instance has only what the rules would leave to it: otherwise one of those may stand in the way. */
function isUndisturbed(
  wanted: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
  instance: string | undefined,
): boolean {
  return [...now].every(([id, has]) => has !== instance || wanted.get(id) === instance)
}

/** The clean ones go where the rules say, as far as there is room beside what stays. */
function withClean(
  { placed, unplaced }: Placement,
  clean: readonly string[],
  wanted: ReadonlyMap<string, string>,
  members: Shown['members'],
): Placement {
  const most = new Map(
    members.map(({ instance, maxPartitions }) => [instance, maxPartitions ?? Number.POSITIVE_INFINITY]),
  )
  const loads = loadsOf(placed)
  const now = new Map(placed)
  const without = new Map(unplaced)
  for (const id of clean) {
    const instance = wanted.get(id)
    if (instance === undefined) continue
    const load = loads.get(instance) ?? 0
    if (load >= (most.get(instance) ?? 0)) {
      without.set(id, noRoom)
      continue
    }
    loads.set(instance, load + 1)
    now.set(id, instance)
    without.delete(id)
  }
  return { placed: now, unplaced: without }
}

/** Instance -> how many partitions it has. */
export function loadsOf(placed: ReadonlyMap<string, string>): Map<string, number> {
  const loads = new Map<string, number>()
  for (const instance of placed.values()) loads.set(instance, (loads.get(instance) ?? 0) + 1)
  return loads
}
