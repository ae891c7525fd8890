/** The locks of a machine that waits for nothing but the takeover wait, as they were read before it was powered off. Pure. */
import type { Keys } from '../base/names.ts'
import { awaited } from '../keys/away.ts'
import { type Freeze, isFrozen } from '../keys/freeze.ts'
import type { Lock } from '../keys/lock.ts'
import { nodeIn } from '../keys/power.ts'
import type { Cluster } from '../look/cluster.ts'

/** One lock, and what it was when it was read. */
export interface NodeLock {
  readonly id: string
  /** Its ModifyIndex. */
  readonly index: number
  /** The session that still holds it; null when it is free. */
  readonly session: string | null
  /** Whose acquisition it was. */
  readonly instance: string
  readonly epoch: number
}

/** Those of one service. */
export interface NodeLocks {
  readonly service: string
  readonly keys: Keys
  readonly freeze: Freeze | null
  /** Nothing of the service may move: then none is freed. */
  readonly frozen: boolean
  readonly locks: readonly NodeLock[]
}

/**
 * Of each service that has any. Left out are locks whose value is not believable, since nobody knows who had them, and those that
 * wait longer for their instance because the definition says so.
 */
export function locksOfNode(clusters: readonly Cluster[], node: string): NodeLocks[] {
  return clusters
    .map(cluster => {
      const { service, keys, freeze, settings } = cluster
      const locks = [...cluster.locks].flatMap(([id, lock]) => lockOf(cluster, node, id, lock, settings.epoch))
      return { service, keys, freeze, frozen: isFrozen(cluster), locks }
    })
    .filter(({ locks }) => locks.length > 0)
}

function lockOf({ away, unusable }: Cluster, node: string, id: string, lock: Lock, epoch: number): NodeLock[] {
  const { held, clean, session, modifyIndex: index } = lock
  if (clean || held === null || nodeIn(held.instance) !== node) return []
  if (unusable.has(id) || awaited(lock, away) !== null) return []
  return [{ id, index, session, instance: held.instance, epoch: Math.max(epoch, lock.epoch) }]
}
