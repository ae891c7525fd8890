/** Takes back this instance's own locks while their leases run, or where the value is still its own: nobody else has held them, so the processes go on. */
import { bootClock } from '../base/clock.ts'
import { transactInBatches } from '../consul/batch.ts'
import { fencingToken } from '../keys/settings.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { noteEvents } from '../state/events.ts'
import { removeFact, writeFact } from '../state/facts.ts'
import { never } from '../state/lease.ts'
import { changingLeases } from '../state/lease-lock.ts'
import type { Local } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import { writePartitionLeases } from '../state/worker-lease.ts'
import { assume, lockIndex, lockOperations, termsIn } from './claim.ts'
import { readRan, writeRan } from './ran.ts'

const pinnedAtOnce = 500

export type Reclaim = Extract<Step, { do: 'reclaim' }>
export type Adopt = Extract<Step, { do: 'adopt' }>

/**
 * A change of the version rewrites the value, and so changes the index that the guard proves: it is made here and nowhere
 * else, while the process is gone and the lease does not count. A lock that Consul refuses stays as it is, with its lease pinned (no
 * longer renewed). The next look decides.
 */
export async function reclaimAll(run: Run, snapshot: Snapshot, reclaims: readonly Reclaim[]): Promise<void> {
  let begun = 0
  // In portions, because the guard waits for this lock no longer than half a second.
  for (let from = 0; from < reclaims.length; from += pinnedAtOnce)
    changingLeases(run.files, () => pin(run, snapshot, reclaims.slice(from, from + pinnedAtOnce)))
  await transactInBatches(run.consul, {
    items: reclaims.map(reclaim => {
      const ran = reclaim.anew ?? readRan(run.files.partition(reclaim.partition))
      return { ...reclaim, ran, local: snapshot.local.get(reclaim.partition) as Local }
    }),
    operations: ({ partition, index, held, local, ran }) => {
      begun = bootClock()
      const own = { acquisition: local.acquisition as string, ...(local.terms as Terms), ...ran }
      const [check, lock] = lockOperations(run, snapshot, partition, index, own)
      // A plain PUT has set LockIndex to 0, and nobody believes such a value. A session that locks the key it already holds
      // does not raise LockIndex (seen on 1.8.7), so unlock first.
      return held ? [check, { ...lock, Verb: 'unlock' }, lock] : [check, lock]
    },
    onDone: (done, entries) => {
      for (const { partition, anew } of done) if (anew) writeRan(run.files.partition(partition), anew)
      const held = done.map(({ partition, local }) => {
        return { partition, index: lockIndex(snapshot, partition, entries), terms: local.terms as Terms }
      })
      assume(run, held, begun)
      const why = 'its own, before its lease was over'
      const events = held.map(({ partition, index }) => ({ what: 'reclaimed', index, partitions: [partition], why }))
      noteEvents(run.files, events)
    },
  })
}

type Terms = NonNullable<Local['terms']>

/**
 * Until the transaction is done, the lock's index is unknown: the guard must neither check the old index nor extend a lease
 * that it did not check. All leases are written in one call, because each call also rewrites the worker's lease.
 */
function pin({ files }: Run, { local }: Snapshot, reclaims: readonly Reclaim[]): void {
  const all = reclaims.map(({ partition }) => ({
    files: files.partition(partition),
    ...(local.get(partition) as Local),
  }))
  writePartitionLeases(all.map(({ files, proof }) => [files, { from: never, own: proof as number }]))
  for (const { files } of all) removeFact(files.index)
}

/** The look found the lock held by our session, but the handler that took it died before it had written all facts. */
export function adopt(run: Run, snapshot: Snapshot, { partition, index }: Adopt): void {
  const { definition, settings } = snapshot
  const { token, terms } = snapshot.local.get(partition) as Local
  const value = snapshot.locks.get(partition)?.held
  const { lease, grace, whenIsolated } = value ?? terms ?? termsIn(definition)
  if (value) writeRan(run.files.partition(partition), value)
  if (token === null) writeFact(run.files.partition(partition).token, fencingToken(settings.epoch, index))
  assume(run, [{ partition, index, terms: { lease, grace, ...(whenIsolated && { whenIsolated }) } }], snapshot.now)
}
