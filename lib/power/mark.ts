/**
 * Marks the locks of a machine that is off as clean, so that others take them at once. Each is marked only while it is exactly as
 * it was read before the command ran: whoever had it then is dead, and nobody has had it since.
 */
import { transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { recorded } from '../keys/asked.ts'
import { freezeUnchanged } from '../keys/freeze.ts'
import { offValue } from '../keys/lock.ts'
import { turnKey } from '../keys/power.ts'
import type { NodeLock, NodeLocks } from './locks.ts'

/** Who marks: the session that holds the turn, and a name. */
export interface Marker {
  readonly session: string
  readonly by: string
}

export interface Marked {
  readonly marked: readonly NodeLock[]
  /** They were changed since they were read, and keep their takeover wait. */
  readonly left: readonly NodeLock[]
}

/** Those of one service. @throws Temporary when the turn was lost, a freeze began, or Consul is away; Denied */
export async function markClean(consul: Consul, of: NodeLocks, node: string, marker: Marker): Promise<Marked> {
  const since = new Date().toISOString()
  const { keys, freeze, locks } = of
  const look = base64(JSON.stringify({ off: node, by: marker.by, at: since }))
  const { done, refused, unusable } = await transactInBatches(consul, {
    items: locks,
    operations: lock => operationsOf(keys.lock(lock.id), lock, marker, since),
    extra: () => [
      { Verb: 'check-session', Key: turnKey, Session: marker.session },
      freezeUnchanged(keys, freeze),
      // Everybody who takes part watches this key, and looks.
      { Verb: 'set', Key: keys.look, Value: look },
    ],
    extraRoom: 3,
  })
  await tell(consul, of, done, node, marker)
  return { marked: done, left: [...refused, ...unusable] }
}

function operationsOf(Key: string, lock: NodeLock, { session, by }: Marker, since: string): Operation[] {
  const check = { Verb: 'check-index', Key, Index: lock.index } as const
  const Value = base64(offValue(since, lock.instance, by, lock.epoch))
  // Consul has not ended its session yet: the lock is given back in the name of the dead.
  if (lock.session !== null) return [check, { Verb: 'unlock', Key, Session: lock.session, Value }]
  // Nobody believes a value that is written without a lock, so take the free lock first.
  const unlock = { Verb: 'unlock', Key, Session: session, Value } as const
  return [check, { ...unlock, Verb: 'lock' }, unlock]
}

/** An event for each instance. @throws nothing: it is done, whoever is told */
async function tell(consul: Consul, { keys }: NodeLocks, marked: readonly NodeLock[], node: string, { by }: Marker) {
  const events = [...Map.groupBy(marked, ({ instance }) => instance)].map(([instance, some]) => ({
    what: 'powered off',
    instance,
    partitions: some.map(({ id }) => id),
    why: `${node} is off by the word of ${by}; its locks are clean`,
  }))
  await recorded(consul, keys, events)
    .then(operations => (operations.length > 0 ? transact(consul, operations) : null))
    .catch(() => {})
}
