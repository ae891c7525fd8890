/** Sets how many partitions a service has, whatever the definitions say, until it is reset. */

import { setTimeout as delay } from 'node:timers/promises'
import { duration, seconds } from '../base/clock.ts'
import { Permanent, Temporary } from '../base/errors.ts'
import { shellWord } from '../base/printable.ts'
import { listed } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt, transact } from '../consul/kv.ts'
import { mostIds, type Share } from '../definition/definition.ts'
import { recorded } from '../keys/asked.ts'
import {
  type Count,
  type CountInForce,
  countFrom,
  counting,
  countWords,
  followedBy,
  isCount,
  numberFor,
  numberIn,
} from '../keys/count.ts'
import { bringTo } from '../keys/count-set.ts'
import { dutyFrom } from '../keys/duty.ts'
import { isFrozen } from '../keys/freeze.ts'
import { mustBeAcceptable } from '../keys/new-ids.ts'
import { type Change, partitionsAt, readIds } from '../keys/partition-set.ts'
import type { Cluster } from '../look/cluster.ts'
import { lookAtCluster } from '../look/read-cluster.ts'

/** What is asked for: a number, a percentage, so many more or fewer, or what the definitions say. */
export type Wanted =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'by'; readonly change: number }
  | { readonly kind: 'share'; readonly share: Share }
  | { readonly kind: 'reset' }

export interface Scaled {
  readonly service: string
  /** How many partitions there are to be now; null after a reset, until an instance has written its definition's. */
  readonly number: number | null
  readonly percent: number | null
  readonly of: string | null
  readonly before: number
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** The arguments as the program gets them. */
export interface ScaleWords {
  readonly to?: string | undefined
  readonly by?: string | undefined
  readonly of?: string | undefined
  readonly settle?: string | undefined
  readonly reset?: boolean | undefined
}

/** Null when nothing is asked for but to see the number. @throws Permanent when the arguments do not go together */
export function wantedBy({ to, by, of, settle, reset = false }: ScaleWords): Wanted | null {
  const wrong = (what: string) => new Permanent(`cannot read the arguments: ${what}`)
  if ([to !== undefined, by !== undefined, reset].filter(Boolean).length > 1)
    throw wrong('give a number, a percentage, --by or --reset, and no two of these')
  const percent = /^(\d{1,5}(?:\.\d{1,6})?)%$/.exec(to ?? '')?.[1]
  if (percent === undefined && (of !== undefined || settle !== undefined))
    throw wrong('--of and --settle go with a percentage')
  if (reset) return { kind: 'reset' }
  if (by !== undefined) {
    if (!/^[+-]?\d{1,6}$/.test(by)) throw wrong(`--by ${by} is no number; give one such as +2, or --by=-2`)
    return { kind: 'by', change: Number(by) }
  }
  if (to === undefined) return null
  if (percent !== undefined) return { kind: 'share', share: shareOf(Number(percent), of, settle) }
  if (!/^\d{1,6}$/.test(to) || !isCount(Number(to)))
    throw wrong(`${to} is neither a whole number up to ${mostIds} nor a percentage such as 7%`)
  return { kind: 'number', number: Number(to) }
}

function shareOf(percent: number, of = 'weight', settle = '30s'): Share {
  const wrong = (what: string) => new Permanent(`cannot read the arguments: ${what}`)
  if (!(percent > 0 && percent <= 10_000)) throw wrong(`${percent}% is not above 0% and up to 10000%`)
  if (!/^(weight|meta\.[A-Za-z0-9_-]{1,128})$/.test(of))
    throw wrong(`--of ${of} is neither weight nor meta. and a name, such as meta.cores`)
  const settleMs = duration(settle)
  if (settleMs === null) throw wrong(`--settle ${settle} is no duration; give a number with its unit, such as 30s`)
  return { percent, of, settleMs }
}

/**
 * Writes the number by check-and-set, and brings the set to it. Where this program ends early, the instances go on.
 * @throws Permanent for partitions that have names or come from a source, for a frozen service that would shrink, and for new
 * ids that newer agents refuse; Temporary while no set is written, when others keep changing the number, or Consul is away
 */
export async function scale(consul: Consul, service: string, wanted: Wanted, dryRun: boolean): Promise<Scaled> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const cluster = await lookAtCluster(consul, service)
    mustBeWritten(cluster)
    if (wanted.kind !== 'reset') await mustBeNumbered(consul, cluster)
    const { keys, count, partitions } = cluster
    const next = nextOf(cluster, wanted)
    const change = await wouldChange(consul, cluster, next)
    mustNotShrink(cluster, change)
    mustBeAcceptable(keys, change.added)
    const before = numberNow(cluster)
    const said = { service, percent: next.share?.percent ?? null, of: next.share?.of ?? null, before }
    if (dryRun || (next.by === 'reset' && count === null))
      return { ...said, number: next.by === 'reset' ? null : next.number, ...change }
    const why = next.by === 'reset' ? 'as the definition says again' : `from ${before} to ${countWords(next)}`
    const event = await recorded(consul, keys, [{ what: 'scaled', why }])
    const { done } = await transact(consul, [...counting(keys, count, next), ...event])
    if (!done) continue
    if (next.by === 'reset') return { ...said, number: null, added: [], removed: [] }
    return { ...said, number: next.number, ...(await bring(consul, cluster, partitions)) }
  }
  throw new Temporary(`cannot scale ${service}: others keep changing the number; try again`)
}

/** The number in force, or else how far the numbered partitions go without a gap: people may have added others. */
export function numberNow({ count, partitions }: Pick<Cluster, 'count' | 'partitions'>): number {
  if (count !== null && count.by !== 'garbled') return count.number
  let number = 0
  while (partitions.has(String(number))) number++
  return number
}

/** @throws Permanent */
function nextOf(cluster: Cluster, wanted: Wanted): Count {
  const { service, count, members, partitions } = cluster
  const now = numberNow(cluster)
  const next = (by: 'hand' | 'reset', number: number, share: Share | null) =>
    followedBy(count, partitions, { by, number, share, since: new Date().toISOString() })
  if (wanted.kind === 'reset') return next('reset', now, null)
  if (wanted.kind === 'share') {
    const number = numberFor(wanted.share, members)
    if (number === null)
      throw new Permanent(
        `cannot scale ${service}: no member that takes its share has a number in ${wanted.share.of}; see watchbill status ${shellWord(service)}`,
      )
    return next('hand', number, wanted.share)
  }
  const number = wanted.kind === 'by' ? now + wanted.change : wanted.number
  if (!isCount(number))
    throw new Permanent(`cannot scale ${service} to ${number}: give a number from 0 to ${mostIds}; it has ${now}`)
  return next('hand', number, null)
}

/** @throws Permanent */
function mustNotShrink(cluster: Cluster, { removed }: Change): void {
  if (!isFrozen(cluster) || removed.length === 0) return
  const service = shellWord(cluster.service)
  throw new Permanent(
    `cannot scale ${cluster.service} down: it is frozen, and nothing is removed; watchbill thaw ${service}, then again`,
  )
}

/** Numbers that people added by hand stay. */
async function wouldChange(
  consul: Consul,
  { keys, partitions }: Cluster,
  { by, number }: Count,
): Promise<Pick<Scaled, 'added' | 'removed'>> {
  if (by === 'reset') return { added: [], removed: [] }
  const over = [...partitions].filter(id => (numberIn(id) ?? -1) >= number)
  const own = (await partitionsAt(consul, keys, over)).flatMap(({ id, from }) => (from === 'definition' ? [id] : []))
  const added: string[] = []
  for (let at = 0; at < number; at++) if (!partitions.has(String(at))) added.push(String(at))
  return { added, removed: own.sort(highestFirst) }
}

async function bring(
  consul: Consul,
  { keys, freeze }: Cluster,
  partitions: ReadonlySet<string>,
): Promise<Pick<Scaled, 'added' | 'removed'>> {
  const [entry] = await entriesAt(consul, [keys.number])
  const count = countFrom(entry)
  const change = count === null || count.done ? null : await bringTo(consul, keys, count, freeze, partitions)
  if (change !== null) return change
  // An instance was faster: what it did is what is different now.
  const now = new Set(await readIds(consul, keys))
  return {
    added: [...now].filter(id => !partitions.has(id)).sort((a, b) => Number(a) - Number(b)),
    removed: [...partitions].filter(id => !now.has(id)).sort(highestFirst),
  }
}

function highestFirst(a: string, b: string): number {
  return Number(b) - Number(a)
}

/** @throws Temporary while no set is written: what ran before all keys were deleted may still run, and new locks would be clean */
function mustBeWritten({ service, defined }: Cluster): void {
  if (defined) return
  throw new Temporary(
    `cannot scale ${service}: its set of partitions is not written yet, which an instance does first; see watchbill status ${shellWord(service)}`,
  )
}

/** @throws Permanent when the partitions have names, or come from a source */
async function mustBeNumbered(consul: Consul, { service, keys, partitions }: Cluster): Promise<void> {
  const [duty] = await entriesAt(consul, [keys.duty('source')])
  const why = (what: string) => new Permanent(`cannot scale ${service}: ${what}`)
  if (duty && dutyFrom(duty.value).by !== '')
    throw why('its partitions come from a source, which says how many there are; change them there')
  const named = [...partitions].filter(id => numberIn(id) === null)
  const own = (await partitionsAt(consul, keys, named)).filter(({ from }) => from !== 'hand').map(({ id }) => id)
  if (own.length > 0)
    throw why(
      `its partitions have names (${listed(own)}), and scaling is for numbered ones; give "count" in the definition`,
    )
}

/** Waits until the set is as the number says, or as a definition says after a reset. @throws Temporary when the time is over */
export async function reachedIt(consul: Consul, service: string, limit: number): Promise<CountInForce | null> {
  const end = performance.now() + limit
  for (;;) {
    const { count } = await lookAtCluster(consul, service)
    if (count === null || (count.done && count.by !== 'reset')) return count
    if (performance.now() > end)
      throw new Temporary(
        `cannot wait longer than ${seconds(limit)}: the set is still being brought to its number; see watchbill status ${shellWord(service)}`,
      )
    await delay(200)
  }
}

/** One line for people. */
export function scaledWords({ service, number, percent, of, before, added, removed }: Scaled, dryRun: boolean): string {
  const would = dryRun ? 'would ' : ''
  if (number === null) return `${service}: ${would || 'is to '}have what its definitions say`
  const words = countWords({ number, share: percent === null ? null : { percent, of: of ?? '', settleMs: 0 } })
  const changes = [
    ...(added.length > 0 ? [`${would}${dryRun ? 'add' : 'added'} ${listed(added)}`] : []),
    ...(removed.length > 0 ? [`${would}${dryRun ? 'remove' : 'removed'} ${listed(removed)}`] : []),
  ]
  const been = before === number ? '' : ` (it was ${before})`
  return `${service}: ${words} partitions${been}; ${changes.join('; ') || 'nothing to change'}`
}
