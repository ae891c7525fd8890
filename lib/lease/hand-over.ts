/** Giving locks back, always after everything of the partition is gone. */
import { rmSync } from 'node:fs'
import { transactInBatches } from '../consul/batch.ts'
import { base64, type Operation } from '../consul/kv.ts'
import type { Context } from '../context.ts'
import type { Step } from '../plan.ts'
import { type Stop, stopAll } from '../process/stop.ts'
import type { Snapshot } from '../snapshot.ts'
import { attempt, makeDirectory, removeFact, writeFact } from '../state/facts.ts'
import { cleanValue, disownedValue } from './lock-value.ts'

/** The steps that begin with a stop. */
export type Ending = Extract<Step, { do: 'release' | 'disown' | 'stop' }>

/** One key each for at most this many instances is bumped in a transaction. */
const wakeRoom = 8

/** Stops the partitions of all these steps at once, and gives each lock back as soon as its partition is gone. */
export async function endAll(context: Context, snapshot: Snapshot, endings: readonly Ending[]): Promise<void> {
  const { stop } = snapshot.definition
  const byPartition = new Map(endings.map(ending => [ending.partition, ending]))
  const stops = endings.map(({ partition }): Stop => {
    const files = context.files.partition(partition)
    makeDirectory(files.directory)
    return { partition, files, grace: snapshot.local.get(partition)?.terms?.grace ?? stop.graceMs, signal: stop.signal }
  })
  await stopAll(context.files.partitions, stops, gone =>
    giveBack(
      context,
      snapshot,
      gone.map(({ partition }) => byPartition.get(partition) as Ending),
    ),
  )
}

async function giveBack(context: Context, snapshot: Snapshot, endings: readonly Ending[]): Promise<void> {
  for (const ending of endings) if (ending.do === 'stop') forget(context, snapshot, ending.partition, ending.why)
  await transactInBatches(context.consul, {
    items: endings.filter(ending => ending.do !== 'stop'),
    operations: ending => operationsOf(context, snapshot, ending),
    extra: items => wakes(context, snapshot, items),
    extraRoom: wakeRoom,
    onDone: items => {
      for (const { partition, ...item } of items) {
        forget(context, snapshot, partition, item.do === 'disown' ? 'it was not its own' : 'its lock was given back')
      }
    },
  })
}

/**
 * Each holds only for the lock as it was read: a request that Consul kept back through an election must not free what
 * was acquired since.
 */
function operationsOf(context: Context, snapshot: Snapshot, ending: Exclude<Ending, { do: 'stop' }>): Operation[] {
  const Key = snapshot.keys.lock(ending.partition)
  const since = new Date().toISOString()
  const check = { Verb: 'check-index', Key, Index: ending.index } as const
  const unlock = { Verb: 'unlock', Key, Session: snapshot.session as string } as const
  if (ending.do === 'disown') return [check, { ...unlock, Value: base64(disownedValue(context.instance, since)) }]
  if (ending.removed) return [{ Verb: 'delete-cas', Key, Index: ending.index }]
  const Value = base64(cleanValue(since, context.instance, ending.next))
  // A value that is written without a lock would be believed by nobody.
  const lock = ending.held ? [] : [{ ...unlock, Verb: 'lock', Value } as const]
  return [check, ...lock, { ...unlock, Value }]
}

function wakes(context: Context, snapshot: Snapshot, endings: readonly Ending[]): Operation[] {
  const nexts = new Set(endings.flatMap(ending => (ending.do !== 'stop' && ending.next ? [ending.next] : [])))
  const value = base64(JSON.stringify({ from: context.instance, at: new Date().toISOString() }))
  // More than fit are not lost: every guard looks at all locks at least every 10 s.
  return [...nexts]
    .slice(0, wakeRoom)
    .map(next => ({ Verb: 'set', Key: `${snapshot.keys.wake(next)}released`, Value: value }))
}

/** Of a partition that is gone, only how it ended and what it printed stay; of one out of the set, nothing. */
function forget(context: Context, snapshot: Snapshot, partition: string, why: string): void {
  const files = context.files.partition(partition)
  if (!snapshot.partitions.has(partition)) {
    attempt(`remove ${files.directory}`, () => rmSync(files.directory, { recursive: true, force: true }))
    return
  }
  const facts = [files.acquisition, files.releasing, files.index, files.token, files.lease, files.terms]
  for (const fact of [...facts, files.launched, files.shepherd, files.process, files.restarts, files.restart])
    removeFact(fact)
  writeFact(files.status, `not here: ${why}`)
}
