/**
 * What instances that are gone have published (figures, health, events) is deleted after a day: on machines that come and go
 * under new names it would pile up. The first member by name does so once an hour, beside everything else.
 *
 * No wall clock counts. A key is deleted once this instance has seen it stand as it is for a day, and its instance take no part.
 */
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { decode, keysOf } from '../base/names.ts'
import { transactInBatches } from '../consul/batch.ts'
import { type Entry, entriesAt, keysBelow } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { isRefusal } from '../consul/permission.ts'
import { eventsRoot } from '../keys/events.ts'
import { figuresRoot } from '../keys/figures.ts'
import { healthRoot } from '../keys/health.ts'
import { readFact } from '../state/facts.ts'
import { type Left, readGone, writeGone } from '../state/gone.ts'
import type { Run } from '../state/self.ts'

/** For how long a key must have stood, ms. */
const kept = 24 * 3_600_000
/** The most keys of one kind that stay for so long: with more, those that were written first go at once. */
export const mostGone = 100
/** The most keys that one round reads: events take up to 16 KiB each. */
const mostRead = 256

/** One key of an instance that takes no part. */
interface Gone {
  readonly key: string
  readonly root: string
  /** The instance's member key. */
  readonly member: string
}

/**
 * @param now boot clock, ms
 * @throws Temporary when the disk does not take what was seen. Where Consul is away, or refuses, it is tried again in an hour.
 */
export async function forgetGone(run: Run, now = bootClock()): Promise<void> {
  const before = isFirst(run) ? readGone(run.files) : null
  // Of a new life nothing is known yet, and it has better to do.
  writeGone(run.files, before === null ? new Map() : await attempted(run, before, now), now)
}

async function attempted(run: Run, before: ReadonlyMap<string, Left>, now: number): Promise<ReadonlyMap<string, Left>> {
  try {
    return await round(run, before, now)
  } catch (error) {
    if (!isRefusal(error)) run.log(`what instances that are gone have published stays: ${reason(error)}`)
    return before
  }
}

function membersOf({ files }: Run): string[] {
  return readFact(files.members)?.split('\n') ?? []
}

/** The members, as the last look found them. */
function isFirst(run: Run): boolean {
  return membersOf(run).sort()[0] === run.instance
}

/** @returns what still stands, and since when @throws Temporary, Denied */
async function round(run: Run, before: ReadonlyMap<string, Left>, now: number): Promise<Map<string, Left>> {
  const gone = (await goneKeys(run)).slice(0, mostRead)
  if (gone.length === 0) return new Map()
  const names = [...new Set(gone.map(({ member }) => member))]
  const found = await entriesAt(run.consul, [...gone.map(({ key }) => key), ...names])
  const entries = new Map(found.map(entry => [entry.key, entry]))
  const seen = new Map<string, Left>()
  for (const { key, member } of gone) {
    const [entry, holder] = [entries.get(key), entries.get(member)]
    if (entry === undefined || (holder?.session ?? null) !== null) continue // it takes part again
    const was = before.get(key)
    const since = was?.index === entry.modifyIndex && was.since <= now ? was.since : now
    seen.set(key, { index: entry.modifyIndex, since })
  }
  const over = new Set([
    ...tooMany(gone, seen),
    ...[...seen].flatMap(([key, one]) => (now - one.since >= kept ? key : [])),
  ])
  await forget(
    run,
    gone.filter(({ key }) => over.has(key)),
    entries,
  )
  for (const key of over) seen.delete(key)
  return seen
}

/** The keys of instances that are no members, of each kind. */
async function goneKeys(run: Run): Promise<Gone[]> {
  const { consul, service } = run
  const members = new Set([...membersOf(run), run.instance])
  const keys = keysOf(service)
  const all = await Promise.all(
    [eventsRoot, healthRoot, figuresRoot].map(async rootOf => {
      const root = rootOf(service)
      return (await keysBelow(consul, root)).flatMap(key => {
        const instance = decode(key.slice(root.length))
        return instance === null || members.has(instance) ? [] : [{ key, root, member: keys.member(instance) }]
      })
    }),
  )
  return all.flat()
}

function tooMany(gone: readonly Gone[], seen: ReadonlyMap<string, Left>): string[] {
  const indexOf = ({ key }: Gone) => seen.get(key)?.index ?? 0
  const kinds = Map.groupBy(
    gone.filter(({ key }) => seen.has(key)),
    ({ root }) => root,
  )
  return [...kinds.values()].flatMap(all =>
    all.sort((a, b) => indexOf(b) - indexOf(a)).flatMap(({ key }, place) => (place < mostGone ? [] : key)),
  )
}

/** Each only as it was read, and only while its instance has not come back. */
async function forget(run: Run, gone: readonly Gone[], entries: ReadonlyMap<string, Entry>): Promise<void> {
  if (gone.length === 0) return
  const { done } = await transactInBatches(run.consul, {
    items: gone,
    operations: ({ key, member }): Operation[] => {
      const there = entries.get(member)
      const absent = there
        ? ({ Verb: 'check-index', Key: member, Index: there.modifyIndex } as const)
        : ({ Verb: 'check-not-exists', Key: member } as const)
      return [absent, { Verb: 'delete-cas', Key: key, Index: entries.get(key)?.modifyIndex ?? 0 }]
    },
  })
  if (done.length > 0) run.log(`deleted ${done.length} keys that instances which are gone had published`)
}
