/** What people may do with a roll-out that is under way. */
import { Permanent, Temporary } from '../../base/errors.ts'
import { keysOf } from '../../base/names.ts'
import { shellWord } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { base64, entriesAt, transact } from '../../consul/kv.ts'
import { recorded } from '../../keys/asked.ts'
import { isGarbled, isOver, isUnderWay, type Roll, type RollInForce, rollFrom, rollValue } from '../../keys/roll.ts'
import { changeSettings, defaults, type Settings, settingsFrom } from '../../keys/settings.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { type Order, ordered, type View } from '../../roll/next.ts'
import { adviceFor, nameOf, rollWords } from '../../roll/words.ts'
import { settingsAfter } from '../../rollout/advance.ts'
import { viewOf } from '../../rollout/view.ts'

/** What became of an order. */
export interface Ordered {
  /** The record after it. */
  readonly roll: Roll
  readonly before: Roll
  /** What it was decided by. */
  readonly view: View
}

/**
 * @param only the id of the roll-out that is meant; undefined for whichever is under way
 * @throws Permanent when there is none under way, or it is not in a state for this; Temporary when others keep changing it
 */
export async function orderRoll(
  consul: Consul,
  service: string,
  order: Order,
  dryRun: boolean,
  only?: string,
): Promise<Ordered> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const cluster = await lookAtCluster(consul, service)
    const { roll, settings } = cluster
    if (settings.roll === undefined)
      throw new Permanent(
        `cannot ${order} the roll-out of ${service}: none is under way; see watchbill roll ${shellWord(service)}`,
      )
    if (!isUnderWay(roll, settings)) throw garbled(service, order)
    if (only !== undefined && roll.id !== only)
      throw new Permanent(
        `cannot ${order} the roll-out of ${service}: that one is over, and a ${nameOf(roll)} is under way; see watchbill roll ${shellWord(service)}`,
      )
    const { view } = await viewOf(consul, cluster, roll, { health: new Map(), lives: new Map() })
    const after = ordered(roll, order, view)
    if (after === null)
      throw new Permanent(`cannot ${order} the ${nameOf(roll)} of ${service}: ${rollWords(roll)}${hint(service, roll)}`)
    if (dryRun || (await write(consul, service, order, roll, after))) return { roll: after, before: roll, view }
  }
  throw new Temporary(`cannot ${order} the roll-out of ${service}: others keep changing it; try again`)
}

/** As events tell of them. */
const events: Readonly<Record<Order, string>> = {
  pause: 'roll-out paused',
  resume: 'roll-out resumed',
  proceed: 'roll-out told to proceed',
  skip: 'roll-out told to skip',
  revert: 'roll-out told to revert',
}

async function write(
  consul: Consul,
  service: string,
  order: Order,
  before: RollInForce,
  after: Roll,
): Promise<boolean> {
  const keys = keysOf(service)
  const record = { Verb: 'cas', Key: keys.roll, Index: before.index, Value: base64(rollValue(after)) } as const
  const change = settingsAfter(before, after) ?? withoutUnable(before, after)
  const along = [record, ...(await recorded(consul, keys, [{ what: events[order], why: nameOf(before) }]))]
  if (change === null) return (await transact(consul, along)).done
  return (await changeSettings(consul, keys, change, { along })).changed
}

/** Instances that cannot prepare the version, and that nobody is to wait for, are drained: they may have to start it. */
function withoutUnable(before: Roll, after: Roll): ((settings: Settings) => Settings) | null {
  const unable = after.skipped.filter(name => !before.skipped.includes(name))
  if (after.state !== 'preparing' || unable.length === 0) return null
  return settings => ({ ...settings, drained: [...new Set([...settings.drained, ...unable])] })
}

function hint(service: string, roll: Roll): string {
  const advice = adviceFor(service, roll)
  return advice === '' ? `; see watchbill roll ${shellWord(service)}` : `; ${advice}`
}

function garbled(service: string, order: Order): Permanent {
  return new Permanent(
    `cannot ${order} the roll-out of ${service}: its record is missing or garbled, so it ends within seconds where it is; see watchbill roll ${shellWord(service)}`,
  )
}

/** The roll-out under way, or the last one; null when there never was one, or its record is garbled. */
export async function currentRoll(consul: Consul, service: string): Promise<Roll | null> {
  const keys = keysOf(service)
  const [entry, ...rest] = await entriesAt(consul, [keys.roll, keys.settings])
  const all = [entry, ...rest]
  const roll = rollFrom(all.find(one => one?.key === keys.roll))
  if (roll === null || isGarbled(roll)) return null
  const { settings } = settingsFrom(all.find(one => one?.key === keys.settings)?.value ?? null, defaults)
  // A record that nothing names is of a roll-out that ended as its settings were written anew.
  const isNamed = Boolean(isUnderWay(roll, settings))
  return isNamed || isOver(roll) ? roll : { ...roll, state: 'done' }
}
