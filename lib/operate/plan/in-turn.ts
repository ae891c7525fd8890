/**
 * A percentage follows the members: once they have changed they first share the set as it is, and then the one that the
 * percentage means. Where the first roster has left a partition counts in the second. Pure.
 */

import { type Count, sameShare } from '../../keys/count.ts'
import type { Lock } from '../../keys/lock.ts'
import type { Cluster } from '../../look/cluster.ts'
import type { Placement } from '../../roster/rule.ts'
import type { Changes } from './what-if.ts'

export interface InTurn {
  readonly roster: Placement
  /** What the members share meanwhile; null where all changes at once. */
  readonly meanwhile: Placement | null
}

/**
 * The roster of the cluster in the end.
 * @param after the cluster in the end
 */
export function inTurn(
  before: Cluster,
  after: Cluster,
  changes: Changes,
  assign: (cluster: Cluster) => Placement,
): InTurn {
  if (!follows(before, after, changes)) return { roster: assign(after), meanwhile: null }
  const first = { ...after, partitions: before.partitions }
  const meanwhile = assign(first)
  return { roster: assign({ ...after, locks: locksAfter(first, meanwhile) }), meanwhile }
}

/** Whether the number changes because of the members, which takes until it has settled. */
function follows({ count, partitions }: Cluster, after: Cluster, { scale, definition }: Changes): boolean {
  const isNew = scale !== null || (definition?.share !== undefined && !isInForce(count, definition.share))
  return !isNew && count?.share != null && after.partitions.size !== partitions.size
}

function isInForce(count: Count | null, share: Count['share']): boolean {
  return count?.by === 'hand' || sameShare(count?.share, share)
}

/** The locks once this roster of the cluster is carried out. */
function locksAfter({ members, partitions, locks }: Cluster, { placed }: Placement): Map<string, Lock> {
  const sessions = new Map(members.map(({ instance, session }) => [instance, session]))
  const then = new Map(locks)
  for (const id of partitions) {
    const session = sessions.get(placed.get(id) ?? '') ?? null
    const lock = locks.get(id)
    if (session === null || lock?.session !== session) then.set(id, handedOver(lock, session))
  }
  return then
}

function handedOver(lock: Lock | undefined, session: string | null): Lock {
  const { createIndex = 0, modifyIndex = 0, epoch = 0 } = lock ?? {}
  return { createIndex, modifyIndex, epoch, session, held: null, clean: session === null, next: null }
}
