/** Taking one's own lock back while its lease runs: nobody can have had it in between, so the process goes on. */
import { bootClock } from '../clock.ts'
import { transactInBatches } from '../consul/batch.ts'
import type { Context } from '../context.ts'
import type { Step } from '../plan.ts'
import { fencingToken } from '../settings.ts'
import type { Snapshot } from '../snapshot.ts'
import { removeFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/instance.ts'
import type { Local } from '../state/local.ts'
import { writePartitionLeases } from '../worker/lease.ts'
import { never, type PartitionLease } from './lease.ts'
import { assume, lockIndex, lockOperations } from './takeover.ts'

export type Reclaim = Extract<Step, { do: 'reclaim' }>
export type Adopt = Extract<Step, { do: 'adopt' }>

/** What is refused is left as it is: its lease is pinned, and the next look decides. */
export async function reclaimAll(context: Context, snapshot: Snapshot, reclaims: readonly Reclaim[]): Promise<void> {
  let begun = 0
  // All at once, for the worker's lease follows each time; pin() then finds nothing to shorten.
  writePartitionLeases(
    reclaims.map(({ partition }) => pinned(context, partition, snapshot.local.get(partition) as Local)),
  )
  await transactInBatches(context.consul, {
    items: reclaims.map(reclaim => ({ ...reclaim, local: snapshot.local.get(reclaim.partition) as Local })),
    operations: ({ partition, index, held, local }) => {
      begun = bootClock()
      pin(context, partition, local)
      const [check, lock] = lockOperations(
        context,
        snapshot,
        partition,
        index,
        local.acquisition as string,
        local.terms as Terms,
      )
      // A plain PUT has set LockIndex to 0, and the session that holds a key does not raise it by locking it again:
      // nobody would believe the value (seen on 1.8.7).
      return held ? [check, { ...lock, Verb: 'unlock' }, lock] : [check, lock]
    },
    onDone: (done, entries) => {
      for (const { partition, local } of done) {
        assume(context, partition, lockIndex(snapshot, partition, entries), local.terms as Terms, begun)
      }
    },
  })
}

type Terms = NonNullable<Local['terms']>

/**
 * The lock's index is in doubt until the transaction is done: the guard must neither check the old one nor extend the
 * lease over what it did not check.
 */
function pin(context: Context, partition: string, local: Local): void {
  writePartitionLeases([pinned(context, partition, local)])
  removeFact(context.files.partition(partition).index)
}

function pinned(context: Context, partition: string, { proof }: Local): [PartitionFiles, PartitionLease] {
  return [context.files.partition(partition), { from: never, own: proof as number }]
}

/** The lock is held, as this look has seen, but whoever took it did not live to write all of that down. */
export function adopt(context: Context, snapshot: Snapshot, { partition, index }: Adopt): void {
  const { definition, settings } = snapshot
  const own = { lease: definition.leaseMs, grace: definition.stop.graceMs }
  const { token, terms } = snapshot.local.get(partition) as Local
  const { lease, grace } = snapshot.locks.get(partition)?.held ?? terms ?? own
  if (token === null) writeFact(context.files.partition(partition).token, fencingToken(settings.epoch, index))
  assume(context, partition, index, { lease, grace }, snapshot.now)
}
