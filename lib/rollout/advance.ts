/**
 * Has a roll-out go on by one step of its state, as the instance that holds `duty/rollout`. The record is written first, by
 * check-and-set; then the holders are asked to restart what the record says. Both are found again by whoever comes next.
 */
import { bootClock } from '../base/clock.ts'
import { Temporary } from '../base/errors.ts'
import { base64, entriesAt, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { requestRestarts } from '../keys/restart.ts'
import { isOver, isUnderWay, type Roll, type RollInForce, rollValue } from '../keys/roll.ts'
import { changeSettings, type Settings } from '../keys/settings.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { next } from '../roll/next.ts'
import { rollWords } from '../roll/words.ts'
import type { Run } from '../state/self.ts'
import { readSeen, writeSeen } from './seen.ts'
import { viewOf } from './view.ts'

/** @returns what was done, as a sentence @throws Temporary when Consul is away, or the record was changed meanwhile */
export async function advance(run: Run, snapshot: Snapshot): Promise<string> {
  const { settings, roll, keys } = snapshot
  if (!isUnderWay(roll, settings)) {
    await forgetRoll(run, snapshot)
    return `the record of the roll-out is missing or garbled: it ends where it is`
  }
  await takeDuty(run, snapshot)
  const { view, seen } = await viewOf(run.consul, snapshot, roll, readSeen(run.files, roll.id, bootClock()))
  writeSeen(run.files, roll.id, seen)
  const { roll: moved, ask, waits } = next(roll, view)
  if (moved !== roll) await write(run, snapshot, roll, moved)
  if (moved.state !== roll.state || moved.step !== roll.step) run.log(rollWords(moved))
  for (const [instance, ids] of Map.groupBy(ask, id => holderOf(snapshot, id))) {
    if (instance !== null) await requestRestarts(run.consul, { keys, locks: snapshot.locks }, instance, ids)
  }
  return `${rollWords(moved)}${waits === null ? '' : `; waits for ${waits}`}`
}

function holderOf({ members, locks }: Snapshot, id: string): string | null {
  const session = locks.get(id)?.session ?? ''
  return members.find(member => member.session === session)?.instance ?? null
}

/**
 * The first member by name has the duty, and takes it from one that is not the first any more: what keeps two from writing at
 * once is the check-and-set of the record.
 */
async function takeDuty({ consul, instance }: Run, { keys, session }: Snapshot): Promise<void> {
  const Key = keys.duty('rollout')
  const [entry] = await entriesAt(consul, [Key])
  if (session === null || entry?.session === session) return
  const Index = entry?.modifyIndex
  const operations: Operation[] = [
    Index === undefined ? { Verb: 'check-not-exists', Key } : { Verb: 'check-index', Key, Index },
    ...(entry?.session ? [{ Verb: 'delete', Key } as const] : []),
    { Verb: 'lock', Key, Session: session, Value: base64(JSON.stringify({ by: instance })) },
  ]
  if (!(await transact(consul, operations)).done)
    throw new Temporary(`cannot take ${Key}: another was faster; it goes on`)
}

async function write({ consul }: Run, { keys, session }: Snapshot, before: RollInForce, roll: Roll): Promise<void> {
  const along: Operation[] = [
    { Verb: 'cas', Key: keys.roll, Index: before.index, Value: base64(rollValue(roll)) },
    { Verb: 'check-session', Key: keys.duty('rollout'), Session: session as string },
  ]
  const change = settingsAfter(before, roll)
  const done =
    change === null
      ? (await transact(consul, along)).done
      : (await changeSettings(consul, keys, change, { along })).changed
  if (!done) throw new Temporary(`cannot write ${keys.roll}: it was changed meanwhile; it is looked at again`)
}

/** What becomes of the settings with this step; null for nothing. */
export function settingsAfter(before: Roll, roll: Roll): ((settings: Settings) => Settings) | null {
  if (before.state === 'preparing' && roll.state === 'rolling')
    return settings => ({ ...settings, roll: { id: roll.id, to: roll.to, ready: true } })
  return isOver(roll) ? settings => over(settings, roll) : null
}

function over({ roll: _, ...settings }: Settings, { state, to, only }: Roll): Settings {
  if (state !== 'done' || to === null) return settings
  const { only: before = [], ...rest } = settings
  if (only === null) return { ...rest, version: to }
  return { ...settings, only: [...before.filter(one => one.partitions !== only), { partitions: only, version: to }] }
}

async function forgetRoll({ consul }: Run, { keys, settings: { roll: named } }: Snapshot): Promise<void> {
  await changeSettings(consul, keys, settings => {
    const { roll, ...rest } = settings
    return roll?.id === named?.id ? rest : settings
  })
}
