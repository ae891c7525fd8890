/**
 * What operators ask for, and who: a key of its own for each change, `event/<id>`, written in the transaction of the change. It
 * stands below the service's keys, so that no other permission is needed, and its CreateIndex is its place in the order.
 */
import { randomId } from '../base/clock.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, keysBelow, transact, transactionLimit, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { eventOf, type Happened } from '../state/events.ts'
import { askedValue, mostEvents } from './events.ts'

/** The most events of one change, and bytes of the names in one. */
const mostAtOnce = 8
const mostNames = 4096

/**
 * The operations that record what is done. None where nobody asks: a library has no name to put there.
 * @param for_ what asks, in words that come before who runs this program, such as `the definition of `
 * @throws nothing: who asked may be left open, and old events may stay
 */
export async function recorded(
  consul: Consul,
  keys: Keys,
  happened: readonly Happened[],
  for_ = '',
): Promise<Operation[]> {
  if (consul.by === undefined || happened.length === 0) return []
  const by = await consul.by().catch(() => '')
  await removeOld(consul, keys).catch(() => {})
  return happened.slice(0, mostAtOnce).map((one): Operation => {
    const event = eventOf(withFewNames(one), one.key ?? randomId())
    return { Verb: 'set', Key: keys.event(event.key), Value: base64(askedValue(event, `${for_}${by}`)) }
  })
}

function withFewNames(one: Happened): Happened {
  const { partitions = [], more = 0 } = one
  let room = mostNames
  const names = partitions.filter(name => {
    room -= name.length + 3
    return room > 0
  })
  return { ...one, partitions: names, more: more + partitions.length - names.length }
}

/** When there are twice as many as are kept, the older half goes. */
async function removeOld(consul: Consul, keys: Keys): Promise<void> {
  if ((await keysBelow(consul, keys.events)).length < 2 * mostEvents) return
  const all = [...(await trees(consul, [keys.events]))].sort((a, b) => a.createIndex - b.createIndex)
  const old = all.slice(0, -mostEvents)
  for (let from = 0; from < old.length; from += transactionLimit) {
    const some = old.slice(from, from + transactionLimit)
    await transact(
      consul,
      some.map(({ key: Key, modifyIndex: Index }) => ({ Verb: 'delete-cas', Key, Index })),
    )
  }
}

/** Of the settings. */
interface Changeable {
  readonly drained: readonly string[]
  readonly held: readonly string[]
  readonly epoch: number
}

/** Pure: what a change of the settings is. */
export function settingsEvents(before: Changeable, after: Changeable, why: string | null): Happened[] {
  const more = <T>(of: readonly T[], than: readonly T[]) => of.filter(one => !than.includes(one))
  const [held, letGo] = [more(after.held, before.held), more(before.held, after.held)]
  return [
    ...more(after.drained, before.drained).map(instance => ({ what: 'drained', instance, why })),
    ...more(before.drained, after.drained).map(instance => ({ what: 'drain ended', instance, why })),
    ...(held.length > 0 ? [{ what: 'held', partitions: held, why }] : []),
    ...(letGo.length > 0 ? [{ what: 'let go', partitions: letGo, why }] : []),
    ...(after.epoch === before.epoch ? [] : [{ what: 'epoch raised', why: `to ${after.epoch}` }]),
  ]
}

/** Pure: what a change of the pins, or of the rules, is. */
export function placementEvents(before: Placed | null, after: Placed): Happened[] {
  const [old, now] = [before?.pins ?? new Map<string, string>(), after.pins]
  const pinned = [...now].filter(([id, instance]) => old.get(id) !== instance)
  const unpinned = [...old.keys()].filter(id => !now.has(id))
  const to = Map.groupBy(pinned, ([, instance]) => instance)
  const rules = (before?.digest ?? '') !== after.digest
  return [
    ...[...to].map(([instance, some]) => ({ what: 'pinned', instance, partitions: some.map(([id]) => id) })),
    ...(unpinned.length > 0 ? [{ what: 'unpinned', partitions: unpinned }] : []),
    ...(rules ? [{ what: 'rules in force', why: `${after.digest} of ${after.by}` }] : []),
  ]
}

interface Placed {
  readonly pins: ReadonlyMap<string, string>
  readonly digest: string
  readonly by: string
}
