/** Gives locks back, always after every process of the partition is gone. */
import { existsSync, rmSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import { transactInBatches } from '../consul/batch.ts'
import { base64, type Entry, mustBeWritable } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { stillTelling } from '../hooks/earlier.ts'
import { tellsOfPartitions } from '../hooks/event.ts'
import { tellReleased } from '../hooks/released.ts'
import { cleanValue, uncleanValue } from '../keys/lock.ts'
import { removal } from '../keys/partition-set.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { probeOf } from '../process/containment/gone.ts'
import { removeGroup } from '../process/containment/groups.ts'
import { notStopped, type Stop } from '../process/shepherd/stop.ts'
import { forcedWords, stopAll } from '../process/stop.ts'
import { type Happened, noteEvents } from '../state/events.ts'
import { attempt, makeOwnDirectory, readFact, removeFact, writeFact } from '../state/facts.ts'
import { note, noteFact } from '../state/figures/notes.ts'
import type { Run } from '../state/self.ts'

/** The steps that begin with a stop. */
export type Ending = Extract<Step, { do: 'release' | 'disown' | 'stop' }>

/** The most wake keys that one transaction bumps. */
const wakeRoom = 8

/**
 * Stops the partitions of all these steps at once, and gives each lock back as soon as its partition is gone. Partitions
 * with a lost lock are stopped at once; only the others wait for the permission check and the announcement.
 * @throws Denied when the token may not give back. Then only partitions with a lost lock are stopped: the others could
 * start nowhere else.
 */
export async function endAll(run: Run, snapshot: Snapshot, endings: readonly Ending[]): Promise<void> {
  const given = endings.filter(ending => ending.do !== 'stop')
  const lost = endings.filter(ending => ending.do === 'stop')
  const branches = await Promise.allSettled([
    stopAndGiveBack(run, snapshot, lost),
    mayGiveBack(run, snapshot, given)
      .then(() => announce(run, snapshot, given))
      .then(() => stopAndGiveBack(run, snapshot, given)),
  ])
  for (const branch of branches) if (branch.status === 'rejected') throw branch.reason
}

/** Before anything is stopped: deregisters the partitions from the catalog and runs their `releasing` hooks. */
async function announce(run: Run, snapshot: Snapshot, given: readonly Ending[]): Promise<void> {
  const { definition } = snapshot
  if (!definition.register && definition.checks.length === 0 && !tellsOfPartitions(definition)) return
  const here = given.filter(ending => ending.do === 'release' && snapshot.local.get(ending.partition)?.shepherd)
  const { announceRelease } = await import('./announce.ts')
  await announceRelease(
    run,
    definition,
    here.map(({ partition }) => partition),
  )
}

async function stopAndGiveBack(run: Run, snapshot: Snapshot, endings: readonly Ending[]): Promise<void> {
  if (endings.length === 0) return
  const { stop } = snapshot.definition
  const byPartition = new Map(endings.map(ending => [ending.partition, ending]))
  const stops = endings.map(({ partition }): Stop => {
    const files = run.files.partition(partition)
    makeOwnDirectory(files.directory)
    const grace = snapshot.local.get(partition)?.terms?.grace ?? stop.graceMs
    const probe = probeOf(run, snapshot.definition, partition)
    return { partition, files, grace, signal: stop.signal, probe }
  })
  const marked = new Set(stops.filter(({ files }) => existsSync(files.mark)))
  const begun = bootClock()
  const onGone = async (gone: readonly Stop[]) => {
    const ended = gone.map(stop => asKnown(byPartition.get(stop.partition) as Ending, stop, marked.has(stop)))
    await giveBack(run, snapshot, ended)
    noteHandOvers(run, snapshot, ended, bootClock() - begun)
    for (const { partition } of ended) byPartition.delete(partition)
  }
  const endOfWait = await whileWaiting(run, snapshot, stops, byPartition)
  try {
    await stopAll(stops, onGone)
  } catch (error) {
    const failed = notStopped(error)
    if (failed !== null && snapshot.definition.hooks.stopFailed) {
      const { tellStopFailed } = await import('../hooks/lifecycle.ts')
      tellStopFailed(run, snapshot.definition, failed, reason(error))
    }
    throw error
  } finally {
    await endOfWait()
  }
}

/**
 * A lock whose facts are gone, because somebody removed the state directory meanwhile, is given back as unclean: the search for
 * processes went by those facts, and may have missed some. What is still there now was there during the search.
 */
function asKnown(ending: Ending, { files }: Stop, marked: boolean): Ending {
  if (ending.do !== 'release' || (existsSync(files.releasing) && (!marked || existsSync(files.mark)))) return ending
  return { do: 'disown', partition: ending.partition, index: ending.index, next: ending.next }
}

/** For the figures: from the order to stop until the lock was given back. */
function noteHandOvers({ files }: Run, { local }: Snapshot, ended: readonly Ending[], ms: number): void {
  const ran = ended.filter(ending => ending.do === 'release' && local.get(ending.partition)?.shepherd)
  note(files, ...ran.map(() => `hand-over ${ms}`))
  for (const { partition } of ran) noteFact(files, files.partition(partition).handOver, ms)
}

async function whileWaiting(
  run: Run,
  { keys }: Snapshot,
  stops: readonly Stop[],
  waiting: ReadonlyMap<string, Ending>,
): Promise<() => Promise<void>> {
  if (!stops.some(({ files }) => existsSync(files.handed))) return async () => {}
  const { tellOfWaiting } = await import('./say-waiting.ts')
  return tellOfWaiting(run, keys, waiting)
}

/** Checks the permissions of the token before anything is stopped. Without a token there is nothing to check. */
async function mayGiveBack(run: Run, snapshot: Snapshot, given: readonly Ending[]): Promise<void> {
  const { consul } = run
  const { keys } = snapshot
  if (consul.address.token === null || given.length === 0) return
  const nexts = given.flatMap(ending => (ending.do === 'release' && ending.next) || [])
  const wakes = [...new Set(nexts)].map(wakeKey(keys))
  const told = given.flatMap(({ partition }) => telling(run, snapshot, partition).map(({ Key }) => Key))
  await mustBeWritable(consul, [...given.map(({ partition }) => keys.lock(partition)), ...wakes, ...told])
}

function wakeKey(keys: Keys) {
  return (instance: string) => `${keys.wake(instance)}released`
}

async function giveBack(run: Run, snapshot: Snapshot, endings: readonly Ending[]): Promise<void> {
  for (const ending of endings) if (ending.do === 'stop') forget(run, snapshot, ending.partition, ending.why)
  noteEvents(run.files, endings.flatMap(lostEvent))
  await transactInBatches(run.consul, {
    items: endings.filter(ending => ending.do !== 'stop'),
    operations: ending => operationsOf(run, snapshot, ending),
    extra: items => wakes(run, snapshot, items),
    extraRoom: wakeRoom,
    onDone: (items, entries) => {
      noteEvents(run.files, items.map(releasedEvent(snapshot, entries)))
      for (const { partition, ...item } of items) {
        forget(run, snapshot, partition, item.do === 'disown' ? 'it was not its own' : 'its lock was given back')
      }
    },
  })
}

function lostEvent(ending: Ending): Happened[] {
  return ending.do === 'stop' ? [{ what: 'lost', partitions: [ending.partition], why: ending.why }] : []
}

function releasedEvent(
  snapshot: Snapshot,
  entries: readonly Entry[],
): (ending: Exclude<Ending, { do: 'stop' }>) => Happened {
  const index = entries.reduce((highest, { modifyIndex }) => Math.max(highest, modifyIndex), 0) || null
  return ({ partition, next, do: what }) => {
    const event = { index, partitions: [partition], instance: next }
    if (what === 'disown') return { ...event, what: 'disowned', why: 'this instance had not taken it' }
    return { ...event, what: next === null ? 'released' : 'moved', why: whyReleased(snapshot, partition) }
  }
}

function whyReleased({ partitions, settings, members, instance, coolDowns }: Snapshot, partition: string): string {
  if (!partitions.has(partition)) return 'no longer in the set'
  if (settings.held.includes(partition)) return 'held'
  const absence = members.find(member => member.instance === instance)?.absence ?? null
  if (absence !== null) return absence
  const coolDown = coolDowns.get(partition)
  return coolDown?.instance === instance ? coolDown.why : 'balance'
}

/**
 * Each operation applies only to the lock as it was read: Consul may delay a request through a leader election, and the
 * delayed request must not free a lock that was acquired since.
 */
function operationsOf(run: Run, snapshot: Snapshot, ending: Exclude<Ending, { do: 'stop' }>): Operation[] {
  const Key = snapshot.keys.lock(ending.partition)
  const since = new Date().toISOString()
  const check = { Verb: 'check-index', Key, Index: ending.index } as const
  const unlock = { Verb: 'unlock', Key, Session: snapshot.session as string } as const
  if (ending.do === 'disown') return [check, { ...unlock, Value: base64(uncleanValue(since, run.instance)) }]
  const told = telling(run, snapshot, ending.partition)
  if (ending.removed) return [...removal(snapshot.keys, ending.partition, ending.index), ...told]
  const Value = base64(cleanValue(since, run.instance, ending.next, snapshot.settings.epoch))
  // Nobody believes a value that is written without a lock, so take the free lock first.
  const lock = ending.held ? [] : [{ ...unlock, Verb: 'lock', Value } as const]
  return [check, ...lock, { ...unlock, Value }, ...told]
}

/** A key that makes the next holder's hooks wait until our hooks have run. */
function telling(run: Run, { keys, definition }: Snapshot, partition: string): Operation[] {
  const token = tellsOfPartitions(definition) ? readFact(run.files.partition(partition).token) : null
  return token === null ? [] : [stillTelling(keys, run.instance, partition, token)]
}

function wakes(run: Run, snapshot: Snapshot, endings: readonly Ending[]): Operation[] {
  const nexts = new Set(endings.flatMap(ending => (ending.do !== 'stop' && ending.next ? [ending.next] : [])))
  const value = base64(JSON.stringify({ from: run.instance, at: new Date().toISOString() }))
  // Instances beyond `wakeRoom` lose only time: every guard looks at all locks at least every 10 s.
  return [...nexts].slice(0, wakeRoom).map(next => ({ Verb: 'set', Key: wakeKey(snapshot.keys)(next), Value: value }))
}

/** Removes the partition's facts: how it ended and its output stay. Out of the set, the whole directory goes. */
function forget(run: Run, snapshot: Snapshot, partition: string, why: string): void {
  const files = run.files.partition(partition)
  const forced = forcedWords(partition, files)
  if (forced !== null) run.log(forced)
  tellReleased(run, snapshot.definition, partition, why)
  removeGroup(files)
  if (!snapshot.partitions.has(partition)) {
    attempt(`remove ${files.directory}`, () => rmSync(files.directory, { recursive: true, force: true }))
    return
  }
  const facts = [files.acquisition, files.releasing, files.index, files.token, files.lease, files.terms, files.version]
  const ofProcess = [files.launched, files.shepherd, files.process, files.restarts, files.restart]
  const more = [
    files.stays,
    files.ready,
    files.rendered,
    files.awaits,
    files.told,
    files.metrics,
    files.metricsBad,
    files.takeover,
    files.document,
    files.documentIndex,
    files.kept,
  ]
  for (const fact of [...facts, ...ofProcess, ...more]) removeFact(fact)
  attempt(`remove ${files.checks}`, () => rmSync(files.checks, { recursive: true, force: true }))
  writeFact(files.status, `not here: ${why}`)
}
