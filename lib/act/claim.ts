/** Claiming: one transaction checks that the lock is still as it was read, and takes it. */
import { existsSync } from 'node:fs'
import { bootClock, randomId } from '../base/clock.ts'
import { Temporary } from '../base/errors.ts'
import { lastEntry, transactInBatches } from '../consul/batch.ts'
import { base64 } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { Definition } from '../definition/definition.ts'
import { freezeUnchanged } from '../keys/freeze.ts'
import { heldValue } from '../keys/lock.ts'
import { fencingToken, settingsFrom } from '../keys/settings.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { meantFor, type Ran } from '../roll/meant.ts'
import { type Happened, noteEvents } from '../state/events.ts'
import { makeOwnDirectory, removeFact, writeFact } from '../state/facts.ts'
import { note, noteFact } from '../state/figures/notes.ts'
import { clockStep, never } from '../state/lease.ts'
import { changingLeases } from '../state/lease-lock.ts'
import { type Terms, termsLine } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import { writePartitionLease } from '../state/worker-lease.ts'
import { writeRan } from './ran.ts'

export type Claim = Extract<Step, { do: 'claim' }>

/**
 * Takes locks, and calls `onHeld` after each transaction with the partitions that are now held. The id of each
 * acquisition is written to the state directory before its transaction is sent: even after a crash the next look knows
 * whether the lock is ours.
 */
export async function claimAll(
  run: Run,
  snapshot: Snapshot,
  claims: readonly Claim[],
  onHeld: (partitions: readonly string[]) => void | Promise<void>,
): Promise<void> {
  const terms = termsIn(snapshot.definition)
  let begun = 0
  const { refused, unusable } = await transactInBatches(run.consul, {
    items: claims.map(claim => {
      const ran = meantFor(snapshot, snapshot.definition, claim.partition, run.instance)
      return { ...claim, ran, acquisition: intend(run, snapshot, claim.partition, ran) }
    }),
    operations: ({ partition, index, acquisition, ran }) => {
      begun = bootClock() // the operations are made right before they are sent: the lease starts before its transaction
      const operations = lockOperations(run, snapshot, partition, index, { acquisition, ...terms, ...ran })
      // The claim starts a new process, which also answers a pending restart request.
      const asked = snapshot.restarts.has(partition)
      return asked ? [...operations, { Verb: 'delete', Key: snapshot.keys.restart(partition) }] : operations
    },
    // The epoch may have been raised since the look: read it in the same transaction, so that the token exceeds all earlier ones.
    extra: items => [
      { Verb: 'get-tree', Key: snapshot.keys.settings },
      // A freeze that began after the look keeps what is lost for those who lost it.
      ...(items.some(({ takeover }) => takeover) ? [freezeUnchanged(snapshot.keys, snapshot.freeze)] : []),
    ],
    extraRoom: 2,
    onDone: async (done, entries) => {
      const settings = lastEntry(entries, snapshot.keys.settings)?.value ?? null
      const { epoch } = settingsFrom(settings, snapshot.settings).settings
      const held: Held[] = []
      for (const { partition } of done) {
        const index = lockIndex(snapshot, partition, entries)
        writeFact(run.files.partition(partition).token, fencingToken(epoch, index))
        held.push({ partition, index, terms })
      }
      assume(run, held, begun)
      noteTaken(run, snapshot, held)
      noteEvents(run.files, held.map(takenEvent(run, snapshot)))
      await onHeld(done.map(({ partition }) => partition))
    },
  })
  for (const { partition } of [...refused, ...unusable]) removeFact(run.files.partition(partition).acquisition)
}

/** What an acquisition is made with, by the definition. */
export function termsIn({ leaseMs, stop, whenIsolated }: Definition): Terms {
  const when = typeof whenIsolated === 'object' ? 'run' : whenIsolated
  return { lease: leaseMs, grace: stop.graceMs, ...(when && { whenIsolated: when }) }
}

/** A lock that nobody has taken yet, or that its last holder gave back, is acquired; any other one is taken over. */
function takenEvent({ instance }: Run, { locks }: Snapshot): (held: Held) => Happened {
  return ({ partition, index }) => {
    const { clean = true, held = null, by } = locks.get(partition) ?? {}
    const last = clean ? by : held?.instance
    const event = { index, partitions: [partition], instance: last === undefined || last === instance ? null : last }
    return clean ? { ...event, what: 'acquired' } : { ...event, what: 'taken over', why: 'it was not given back' }
  }
}

/** For the figures: how long each lock that was not given back stood free before it was taken. */
function noteTaken({ files }: Run, { free, locks }: Snapshot, held: readonly Held[]): void {
  const now = bootClock()
  const taken = held.flatMap(({ partition }) => {
    const since = locks.get(partition)?.clean === false ? free.get(partition)?.since : undefined
    return since === undefined ? [] : [[files.partition(partition).takeover, now - since] as const]
  })
  note(files, ...held.map(() => 'acquired'), ...taken.map(([, ms]) => `takeover ${ms}`))
  for (const [file, ms] of taken) noteFact(files, file, ms)
}

/**
 * Writes the acquisition id before the claim. An earlier claim whose outcome is unknown keeps its id: it may have succeeded,
 * and then the next look must recognise it.
 */
function intend(run: Run, snapshot: Snapshot, partition: string, ran: Ran): string {
  const files = run.files.partition(partition)
  const before = snapshot.local.get(partition)
  const pending = before?.index === null ? before.acquisition : null
  makeOwnDirectory(files.directory)
  // The old lease must be over until the lock is held. Without a lease file nothing runs, and a write would cost time.
  if (existsSync(files.lease)) end(run, partition)
  for (const fact of [files.index, files.token, files.releasing, files.restart, files.status, files.kept])
    removeFact(fact)
  writeRan(files, ran)
  const acquisition = pending ?? randomId()
  writeFact(files.acquisition, acquisition)
  return acquisition
}

/** Ends the lease and removes the index under one lock: a concurrent guard check must not see the index without the end. */
function end(run: Run, partition: string): void {
  const files = run.files.partition(partition)
  changingLeases(run.files, () => {
    writePartitionLease(files, { from: never, own: never })
    removeFact(files.index)
  })
}

/** The two operations that take a lock, or take it back, only if it is still as it was read. */
export function lockOperations(
  run: Run,
  snapshot: Snapshot,
  partition: string,
  index: number | null,
  own: Terms & Ran & { readonly acquisition: string },
): [Operation, Operation] {
  const Key = snapshot.keys.lock(partition)
  const value = heldValue({
    instance: run.instance,
    ...own,
    since: new Date().toISOString(),
    epoch: snapshot.settings.epoch,
    ...lostTo(run, snapshot, partition),
  })
  return [
    index === null ? { Verb: 'check-not-exists', Key } : { Verb: 'check-index', Key, Index: index },
    { Verb: 'lock', Key, Value: base64(value), Session: snapshot.session as string },
  ]
}

/**
 * With `"back": false`: who had the partition before, and is away. It stays in the value as long as the lock is not given
 * back, so that the roster leaves the partition where it is.
 */
function lostTo(run: Run, { definition, locks, members }: Snapshot, partition: string): { from?: string } {
  if (definition.back !== false) return {}
  const { held, by } = locks.get(partition) ?? { held: null }
  const last = held?.instance === run.instance ? held.from : (held?.instance ?? by)
  if (last === undefined || last === run.instance) return {}
  const isThere = members.some(({ instance, absence }) => instance === last && absence === null)
  return isThere && held?.instance !== run.instance ? {} : { from: last }
}

/** The ModifyIndex that a partition's lock has after the transaction. */
export function lockIndex(snapshot: Snapshot, partition: string, entries: Parameters<typeof lastEntry>[0]): number {
  const index = lastEntry(entries, snapshot.keys.lock(partition))?.modifyIndex
  if (index === undefined) {
    throw new Temporary(`cannot claim ${partition}: Consul's answer holds no entry for its lock; it is tried again`)
  }
  return index
}

/** A lock that is held, and the terms of its acquisition. */
export interface Held {
  readonly partition: string
  /** The lock's ModifyIndex. */
  readonly index: number
  readonly terms: Terms
}

/**
 * Writes to the state directory that locks are held. From the guard's next check on, the instance's lease covers them.
 * @param begun when their transaction began, boot-clock ms
 */
export function assume(run: Run, held: readonly Held[], begun: number): void {
  changingLeases(run.files, () => {
    for (const { partition, index, terms } of held) {
      const files = run.files.partition(partition)
      writeFact(files.terms, termsLine(terms))
      writeFact(files.index, String(index))
      writePartitionLease(files, { from: bootClock() + clockStep, own: begun })
    }
  })
}
