/** Which moves for the sake of balance are made now: so many at a time, and none back to a member that was away. */

import type { Agreed } from '../../keys/calm.ts'
import type { Cluster } from '../../look/cluster.ts'
import type { Placement } from '../rule.ts'
import { loadsOf } from './frozen.ts'

type Shown = Pick<Cluster, 'members' | 'locks' | 'coolDowns' | 'partitions' | 'placement'>

interface Move {
  readonly id: string
  readonly from: string
  readonly to: string
}

/**
 * The moves that are put off stay with their holders. Limits hold always: where a member would have more than its
 * maxPartitions, its moves are made all the same. Takeovers, and what a holder must give up, are no such moves.
 */
export function fewMoves({ placed, unplaced }: Placement, shown: Shown, { movesAtOnce, back }: Agreed): Placement {
  const moves = movesIn(placed, shown)
  if (moves.length === 0) return { placed, unplaced }
  const returned = back ? new Set<string>() : wereAway(shown)
  const wanted = moves.filter(({ to }) => !returned.has(to))
  const now = new Set(wanted.slice(0, Math.max(0, movesAtOnce - underWay(placed, shown))))
  const later = moves.filter(move => !now.has(move))
  if (later.length === 0) return { placed, unplaced }
  const put = new Map(placed)
  for (const { id, from } of later) put.set(id, from)
  return { placed: withinLimits(put, later, shown), unplaced }
}

/** In the order of names, which every instance has: those that have begun stay the first ones. */
function movesIn(placed: ReadonlyMap<string, string>, { members, locks, coolDowns, placement }: Shown): Move[] {
  const there = members.filter(({ absence }) => absence === null)
  const bySession = new Map(there.map(({ session, instance }) => [session, instance]))
  const moves: Move[] = []
  for (const [id, to] of placed) {
    const from = bySession.get(locks.get(id)?.session ?? '')
    const isAsked = coolDowns.get(id)?.instance === from || placement?.pins.get(id) === to
    if (from === undefined || from === to || isAsked) continue
    moves.push({ id, from, to })
  }
  return moves.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Given back for another member, which has not taken them yet. */
function underWay(placed: ReadonlyMap<string, string>, { locks, partitions }: Shown): number {
  let count = 0
  for (const [id, { session, clean, next }] of locks) {
    if (session === null && clean && next !== null && placed.get(id) === next && partitions.has(id)) count++
  }
  return count
}

/** Members whose partitions run elsewhere, because they were away. */
function wereAway({ locks }: Shown): Set<string> {
  return new Set([...locks.values()].flatMap(({ session, held }) => (session !== null && held?.from) || []))
}

function withinLimits(
  put: ReadonlyMap<string, string>,
  later: readonly Move[],
  { members }: Shown,
): Map<string, string> {
  const now = new Map(put)
  const loads = loadsOf(now)
  const most = new Map(
    members.map(({ instance, maxPartitions }) => [instance, maxPartitions ?? Number.POSITIVE_INFINITY]),
  )
  const isOver = (instance: string) => (loads.get(instance) ?? 0) > (most.get(instance) ?? Number.POSITIVE_INFINITY)
  const left = [...later]
  for (let at = left.findIndex(({ from }) => isOver(from)); at >= 0; at = left.findIndex(({ from }) => isOver(from))) {
    const [{ id, from, to }] = left.splice(at, 1) as [Move]
    now.set(id, to)
    loads.set(from, (loads.get(from) ?? 0) - 1)
    loads.set(to, (loads.get(to) ?? 0) + 1)
  }
  return now
}
