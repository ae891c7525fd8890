/** `restart/<partition>`: a request to its holder to start its process anew. It names a partition and holds no command. */
import type { Keys } from '../base/names.ts'
import { type Batched, transactInBatches } from '../consul/batch.ts'
import type { Consul } from '../consul/http.ts'
import { base64 } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { Lock } from './lock.ts'

/**
 * Asks the holder for restarts and wakes it, each only while its lock is as it was read.
 * @param event what is recorded with them @throws Temporary when Consul is away
 */
export function requestRestarts(
  consul: Consul,
  { keys, locks }: { readonly keys: Keys; readonly locks: ReadonlyMap<string, Lock> },
  instance: string,
  ids: readonly string[],
  event: readonly Operation[] = [],
): Promise<Batched<string>> {
  const value = base64(JSON.stringify({ at: new Date().toISOString() }))
  return transactInBatches(consul, {
    items: ids,
    operations: id => [
      { Verb: 'check-index', Key: keys.lock(id), Index: locks.get(id)?.modifyIndex as number },
      { Verb: 'set', Key: keys.restart(id), Value: value },
    ],
    extra: () => [{ Verb: 'set', Key: `${keys.wake(instance)}restart`, Value: value }, ...event],
    extraRoom: 1 + event.length,
  })
}
