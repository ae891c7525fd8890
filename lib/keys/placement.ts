/**
 * `spec/placement`: the rules of placement in force, and the pins. A definition proposes rules once: a digest that was replaced
 * comes back only by `watchbill placement … apply`, so that an old file on one machine changes nothing.
 */

import { Permanent, Temporary } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, entriesAt, transact } from '../consul/kv.ts'
import { noRules, type Rules, rulesIn } from '../definition/rules.ts'
import { rosterVersion } from './member.ts'

export interface PlacementInForce {
  readonly rules: Rules
  /** Partition id -> instance. */
  readonly pins: ReadonlyMap<string, string>
  /** The digest of the rules; empty while nobody has put any in force. */
  readonly digest: string
  /** Digests that were in force before, the oldest first. */
  readonly replaced: readonly string[]
  /** The roster version that knows these rules: who knows less gets no partitions. */
  readonly needs: number
  /** Whose definition, or which person's file, was put in force, and when, ISO. */
  readonly by: string
  readonly since: string
  /** The key is garbled and this program has never seen a good one: everything stays where it is. */
  readonly unknown?: true
}

export const noPlacement: PlacementInForce = {
  rules: noRules,
  pins: new Map(),
  digest: '',
  replaced: [],
  needs: 3,
  by: '',
  since: '',
}

/** The first roster version that knows rules of placement. */
const firstVersion = 3
const mostReplaced = 200
const mostPins = 5000
const mostBytesOfPins = 256 * 1024
/** Consul takes 512 KiB of base64 in one key. */
const mostBytes = 380 * 1024

/** Whether placement by rules is needed at all. */
export function hasRules(placement: PlacementInForce | null): placement is PlacementInForce {
  if (placement === null) return false
  return (
    placement.unknown === true ||
    placement.pins.size > 0 ||
    Object.values(placement.rules).some(list => list.length > 0)
  )
}

export interface FoundPlacement {
  /** Null when there is no such key. */
  readonly placement: PlacementInForce | null
  /** What is wrong with the key; null when nothing is. */
  readonly problem: string | null
}

/** What is in force; where the key cannot be used, the last good one together with the problem. */
/** @param lastGoodText reads the text of the last good one; asked only when it is needed */
export function placementFrom(text: string | null, lastGoodText: () => string | null): FoundPlacement {
  if (text === null) return { placement: null, problem: null }
  const found = parse(text)
  if (typeof found !== 'string') return { placement: found, problem: null }
  const lastGood = lastGoodText()
  const before = lastGood === null ? null : parse(lastGood)
  if (before !== null && typeof before !== 'string') return { placement: before, problem: found }
  return { placement: { ...noPlacement, unknown: true }, problem: found }
}

/** @returns a text that says what is wrong */
function parse(text: string): PlacementInForce | string {
  if (text.length > mostBytes) return `it has more than ${mostBytes} characters`
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is not JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object'
  const { needs = firstVersion, pins = {}, replaced = [], digest = '', by = '', since = '' } = value
  if (!Number.isSafeInteger(needs) || (needs as number) < firstVersion)
    return '"needs" has to be a whole number of at least 3'
  if ((needs as number) > rosterVersion) return `it needs a release that knows version ${needs} of the roster`
  const rules = rulesIn(value.rules ?? {})
  if (typeof rules === 'string') return rules
  if (!isObject(pins) || Object.keys(pins).length > mostPins || !Object.values(pins).every(isText))
    return `"pins" has to be an object of at most ${mostPins} partitions, each with its instance`
  if (JSON.stringify(pins).length > mostBytesOfPins) return `"pins" takes more than ${mostBytesOfPins} characters`
  if (!Array.isArray(replaced) || !replaced.every(isText)) return '"replaced" has to be a list of digests'
  if (!isText(digest) || !isText(by) || !isText(since)) return '"digest", "by" and "since" have to be texts'
  const last = replaced.slice(-mostReplaced)
  return {
    rules,
    pins: new Map(Object.entries(pins as Record<string, string>)),
    digest,
    replaced: last,
    needs: needs as number,
    by,
    since,
  }
}

/** The value of the key. */
export function placementValue({ rules, pins, digest, replaced, needs, by, since }: PlacementInForce): string {
  return JSON.stringify({ rules, pins: Object.fromEntries(pins), digest, replaced, needs, by, since })
}

/** Whether a definition with this digest may put its rules in force. */
export function mayPropose(placement: PlacementInForce | null, digest: string): boolean {
  return digest !== placement?.digest && placement?.replaced.includes(digest) !== true
}

/** The rules as they are once these replace them. A digest that comes back is no longer one that was replaced. */
export function replacedBy(
  before: PlacementInForce | null,
  { digest, rules, by, since }: Pick<PlacementInForce, 'digest' | 'rules' | 'by' | 'since'>,
): PlacementInForce {
  const { pins, replaced, digest: old } = before ?? noPlacement
  const others = [...replaced, old].filter(one => one !== '' && one !== digest)
  return { rules, pins, digest, replaced: others.slice(-mostReplaced), needs: firstVersion, by, since }
}

/**
 * Changes the key by check-and-set. It lies below spec/, which everybody watches.
 * @param change null when nothing is to be changed after all
 * @param anew what is garbled counts as missing, instead of being refused
 * @returns what is in force now, and whether this program changed it
 * @throws Permanent when the key is garbled, or would become too large; Temporary when others keep changing it
 */
export async function changePlacement(
  consul: Consul,
  keys: Keys,
  change: (before: PlacementInForce | null) => PlacementInForce | null,
  anew = false,
): Promise<{ placement: PlacementInForce | null; changed: boolean }> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const [entry] = await entriesAt(consul, [keys.placement])
    const found = entry === undefined ? null : parse(entry.value ?? '')
    if (typeof found === 'string' && !anew) {
      throw new Permanent(
        `cannot change ${keys.placement}: ${found}; put a definition's rules in force with watchbill placement … apply`,
      )
    }
    const before = typeof found === 'string' ? null : found
    const after = change(before)
    if (after === null) return { placement: before, changed: false }
    const text = placementValue(after)
    const problem = parse(text)
    if (typeof problem === 'string') throw new Permanent(`cannot change ${keys.placement}: ${problem}; use fewer`)
    const Index = entry?.modifyIndex ?? 0
    const outcome = await transact(consul, [
      { Verb: 'cas', Key: keys.placement, Index, Value: base64(text) },
      ...(await eventsOf(consul, keys, before, after)),
    ])
    if (outcome.done) return { placement: after, changed: true }
  }
  throw new Temporary(`cannot change ${keys.placement}: others keep changing it; try again`)
}

async function eventsOf(consul: Consul, keys: Keys, before: PlacementInForce | null, after: PlacementInForce) {
  if (consul.by === undefined) return []
  const { placementEvents, recorded } = await import('./asked.ts')
  return recorded(consul, keys, placementEvents(before, after))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 1024
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
