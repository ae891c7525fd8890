/**
 * `watchbill/.power/`: machines that were powered off. `<node>` says what became of it; `.turn` is held by whoever powers a
 * machine off, so that it is one at a time in the cluster, and lists those of the last hour. No service has the name `.power`:
 * its dot would be encoded.
 */
import { fieldsIn, textIn } from '../base/json.ts'
import { decode, encode } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, transact, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { bootIn } from './member.ts'

export const powerRoot = 'watchbill/.power/'
export const turnKey = `${powerRoot}.turn`

export function powerKey(node: string): string {
  return `${powerRoot}${encode(node)}`
}

/** What became of a machine. */
export interface PowerRecord {
  /** `under way` without a session: whoever did it has died in the middle. */
  readonly state: 'under way' | 'off' | 'failed'
  /** The instance, or the person, who did it. */
  readonly by: string
  /** Wall clock, ISO, for people. */
  readonly since: string
  /** The ModifyIndex of the node's serfHealth: each failure of the node has its own. */
  readonly failure: number
  /** The boot that its instances took part in; null when none said. */
  readonly boot: string | null
  /** Why it failed; or which locks were left alone; null for nothing to say. */
  readonly why: string | null
  /** The machine took part again in the very same boot: it was never off. ISO; null when it did not. */
  readonly alive: string | null
}

/** A record as it was read. */
export interface FoundRecord extends PowerRecord {
  readonly node: string
  /** The session that is at it; null for none. */
  readonly session: string | null
  readonly index: number
}

export interface Turn {
  readonly session: string | null
  /** 0 when the key is not there. */
  readonly index: number
  /** Epoch ms of each command that was begun, with its node. */
  readonly begun: readonly Begun[]
}

export interface Begun {
  readonly node: string
  readonly at: number
}

export interface Power {
  readonly turn: Turn
  /** By node. */
  readonly records: ReadonlyMap<string, FoundRecord>
}

export const nobodyOff: Power = { turn: { session: null, index: 0, begun: [] }, records: new Map() }

/** @throws Temporary when Consul is away; Denied when the token may not read it */
export async function readPower(consul: Consul): Promise<Power> {
  return powerFrom(await trees(consul, [powerRoot]))
}

export function powerFrom(entries: readonly Entry[]): Power {
  const found = entries.flatMap(entry => {
    const node = decode(entry.key.slice(powerRoot.length))
    return node === null ? [] : [[node, recordFrom(node, entry)] as const]
  })
  return { turn: turnFrom(entries.find(({ key }) => key === turnKey)), records: new Map(found) }
}

export function recordFrom(node: string, { value, session, modifyIndex }: Entry): FoundRecord {
  const { state, by, since, failure, boot, why, alive } = fieldsIn(value)
  return {
    // What is garbled says no more than that something was begun.
    state: state === 'off' || state === 'failed' ? state : 'under way',
    by: oneLine(by),
    since: oneLine(since),
    failure: typeof failure === 'number' ? failure : 0,
    boot: oneLine(boot) || null,
    why: oneLine(why) || null,
    alive: oneLine(alive) || null,
    ...{ node, session, index: modifyIndex },
  }
}

/** Anybody may have written it, and it is printed. */
function oneLine(value: unknown): string {
  return textIn(value)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .slice(0, 500)
}

function turnFrom(entry: Entry | undefined): Turn {
  const { begun } = fieldsIn(entry?.value ?? null)
  return {
    session: entry?.session ?? null,
    index: entry?.modifyIndex ?? 0,
    begun: Array.isArray(begun) ? begun.flatMap(begunFrom) : [],
  }
}

function begunFrom(value: unknown): Begun[] {
  const { node, at } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Begun>
  return typeof node === 'string' && typeof at === 'number' ? [{ node, at }] : []
}

export function recordValue(record: PowerRecord): string {
  const { state, by, since, failure, boot, why, alive } = record
  return JSON.stringify({
    ...{ state, by, since, failure },
    ...(boot !== null && { boot }),
    ...(why !== null && { why }),
    ...(alive !== null && { alive }),
  })
}

export function turnValue(begun: readonly Begun[]): string {
  return JSON.stringify({ begun })
}

/** The operations that take the turn and the node's record, if both are as they were read. */
export function takingTurn(
  { turn, records }: Power,
  node: string,
  session: string,
  record: PowerRecord,
  begun: readonly Begun[],
): Operation[] {
  const Key = powerKey(node)
  return [
    unchanged(turnKey, turn.index),
    { Verb: 'lock', Key: turnKey, Session: session, Value: base64(turnValue(begun)) },
    unchanged(Key, records.get(node)?.index ?? 0),
    { Verb: 'lock', Key, Session: session, Value: base64(recordValue(record)) },
  ]
}

/** The operations that change the record while both are held. */
export function writingDown(node: string, session: string, record: PowerRecord): Operation[] {
  return [
    { Verb: 'check-session', Key: turnKey, Session: session },
    { Verb: 'lock', Key: powerKey(node), Session: session, Value: base64(recordValue(record)) },
  ]
}

/** The operations that give both back. */
export function endingTurn(node: string, session: string, record: PowerRecord, begun: readonly Begun[]): Operation[] {
  return [
    { Verb: 'unlock', Key: powerKey(node), Session: session, Value: base64(recordValue(record)) },
    { Verb: 'unlock', Key: turnKey, Session: session, Value: base64(turnValue(begun)) },
  ]
}

function unchanged(Key: string, Index: number): Operation {
  return Index === 0 ? { Verb: 'check-not-exists', Key } : { Verb: 'check-index', Key, Index }
}

/** Forgets what became of a machine. @returns false when that was changed meanwhile, or somebody is at it */
export async function forgetRecord(consul: Consul, { node, index, session }: FoundRecord): Promise<boolean> {
  if (session !== null) return false
  const [Key, Index] = [powerKey(node), index]
  // Consul takes a delete-cas of a missing key for done (from its sources): the check tells that another was first.
  const outcome = await transact(consul, [
    { Verb: 'check-index', Key, Index },
    { Verb: 'delete-cas', Key, Index },
  ])
  return outcome.done
}

/** What is read of a member key for this. */
export interface Boot {
  readonly node: string
  /** Its session lives. */
  readonly held: boolean
  readonly boot: string | null
  readonly index: number
}

/** The boots that the member keys of a service name, also those of members that are lost. @param prefix where they start */
export function bootsIn(entries: readonly Entry[], prefix: string): Boot[] {
  return entries.flatMap(({ key, value, session, modifyIndex }) => {
    const node = nodeIn(decode(key.slice(prefix.length)) ?? '')
    return node === null ? [] : [{ node, held: session !== null, boot: bootIn(value), index: modifyIndex }]
  })
}

/** The node of an instance; null for any other text: the value may be somebody's who does not know what an instance is. */
export function nodeIn(instance: string): string | null {
  const colon = instance.lastIndexOf(':')
  return colon > 0 ? instance.slice(0, colon) : null
}

/** Pure: the boot in which a node took part last; null when its instances do not say. */
export function lastBoot(boots: readonly Boot[], node: string): string | null {
  const own = boots.filter(one => one.node === node).sort((a, b) => b.index - a.index)
  return own[0]?.boot ?? null
}

/** Pure: the records of nodes that were declared off, and took part afterwards without having booted. */
export function unsafeRecords({ records }: Power, boots: readonly Boot[]): FoundRecord[] {
  return [...records.values()].filter(record => record.alive !== null || boots.some(one => provesAlive(record, one)))
}

/** While somebody is at it, the sessions of the machine from before may yet hold its member keys. */
function provesAlive({ node, state, boot, session }: FoundRecord, one: Boot): boolean {
  const isOff = state === 'off' && session === null
  return isOff && one.held && one.node === node && boot !== null && one.boot === boot
}
