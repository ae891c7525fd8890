/**
 * The plan in force: what the scheduler of the service decided. Its parts stand in `plan/<revision>/<n>`; `spec/plan`, which
 * everybody watches, points to them and is written last. So no reader ever sees half of a plan. Part 0 says where the plan
 * came from, each other part holds some of the assignment.
 */

import { digest as digestOfText } from '../base/digest.ts'
import { Temporary } from '../base/errors.ts'
import { fieldsIn, textIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, keysBelow, mustBeReadable, transact, transactionLimit } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'

/** What a scheduler may decide. */
export interface Decided {
  /** Partition id -> instance. */
  readonly assignment: ReadonlyMap<string, string>
  /** Partitions that nobody is to have, each with the reason. */
  readonly nobody: ReadonlyMap<string, string>
  /** A version for roll-outs; null when it says none. */
  readonly version: string | null
  readonly variables: Variables
}

/** Values for rendered files: of the whole service, and of single instances. */
export interface Variables {
  readonly service: Readonly<Record<string, unknown>>
  readonly instance: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export const noVariables: Variables = { service: {}, instance: {} }

export interface OwnPlan extends Decided {
  readonly revision: number
  /** The instance whose scheduler run decided it, and when, ISO. */
  readonly by: string
  readonly at: string
  /** Consul's indexes of the look that it was decided by. */
  readonly from: { readonly keys: number; readonly health: string }
  readonly log: readonly string[]
}

/** `spec/plan`. */
export interface PlanPointer {
  readonly revision: number
  /** How many parts there are. */
  readonly parts: number
  /** Of the parts' texts, joined by newlines. */
  readonly digest: string
  /** Of what was decided, without when and by whom. */
  readonly content: string
  readonly by: string
  readonly at: string
  /** Why it no longer counts; null while it is in force. */
  readonly withdrawn: string | null
  /** How long no instance that has a scheduler may take part before the plan is withdrawn, ms. */
  readonly giveUpMs: number
  /** The key's ModifyIndex. */
  readonly index: number
}

/** What a look finds. */
export interface FoundPlan {
  readonly pointer: PlanPointer | null
  /** The plan in force; null when there is none. */
  readonly plan: OwnPlan | null
  /** What is wrong with the keys; null when nothing is. */
  readonly problem: string | null
  /** The parts as they were read from Consul now; null when they need not be read again. */
  readonly text: string | null
  /** The ModifyIndex of `spec/plan`; 0 when there is none. */
  readonly index: number
}

export const noPlan: FoundPlan = { pointer: null, plan: null, problem: null, text: null, index: 0 }

const mostParts = 64
/** The most bytes of one part; Consul takes 512 KiB of base64 in a transaction. */
const mostBytesOfPart = 200_000
/** How many plans are kept, the one in force among them. */
const kept = 3
/** When the scheduler does not say, ms. */
const usualGiveUp = 300_000

/** Null for a garbled key. */
export function planPointerFrom({ value, modifyIndex }: Entry): PlanPointer | null {
  const { revision, parts, digest, content, by, at, withdrawn, giveUpMs } = fieldsIn(value)
  const isWhole = isNumber(revision, 1) && isNumber(parts, 1) && parts <= mostParts && typeof digest === 'string'
  if (!isWhole) return null
  return {
    ...{ revision, parts, digest, content: textIn(content), by: oneLine(by), at: oneLine(at), index: modifyIndex },
    withdrawn: typeof withdrawn === 'string' ? oneLine(withdrawn) : null,
    giveUpMs: isNumber(giveUpMs, 0) ? giveUpMs : usualGiveUp,
  }
}

/**
 * The plan that the pointer names. An instance keeps the last one, so that a look reads the parts only when the pointer
 * changed.
 * @param entry of `spec/plan`, as the look read it
 * @param last reads the parts that were read last; null when there are none
 * @throws Temporary when the plan was replaced meanwhile; Denied when the token may not read the parts
 */
export async function findPlan(
  consul: Consul,
  keys: Keys,
  entry: Entry | undefined,
  last: () => string | null = () => null,
): Promise<FoundPlan> {
  if (entry === undefined) return noPlan
  const pointer = planPointerFrom(entry)
  const none = { ...noPlan, pointer, index: entry.modifyIndex }
  if (pointer === null) return { ...none, problem: 'it is garbled' }
  if (pointer.withdrawn !== null) return none
  const before = last()
  if (before !== null && isOf(pointer, before)) return { ...none, ...planIn(pointer, before) }
  const text = await readParts(consul, keys, pointer)
  return text === null ? { ...none, problem: 'its parts are missing' } : { ...none, ...planIn(pointer, text), text }
}

function planIn(pointer: PlanPointer, text: string): Pick<FoundPlan, 'plan' | 'problem'> {
  const plan = isOf(pointer, text) ? planFrom(pointer.revision, text.split('\n')) : null
  return { plan, problem: plan === null ? 'its parts are garbled' : null }
}

/** The digest is short: the revision, which part 0 says too, tells the plans of a service apart. */
function isOf({ revision, digest }: PlanPointer, text: string): boolean {
  return digestOfText(text) === digest && text.startsWith(headOf(revision))
}

function headOf(revision: number): string {
  return `{"revision":${revision},`
}

/** Null when a part is missing although the pointer still names it. */
async function readParts(consul: Consul, keys: Keys, { revision, parts, index }: PlanPointer): Promise<string | null> {
  const names = Array.from({ length: parts }, (_, part) => keys.planPart(revision, part))
  const found = new Map((await entriesAt(consul, names)).map(({ key, value }) => [key, value ?? '']))
  const missing = names.filter(name => !found.has(name))
  if (missing.length === 0) return names.map(name => found.get(name)).join('\n')
  await mustBeReadable(consul, missing)
  const [now] = await entriesAt(consul, [keys.plan])
  if (now?.modifyIndex === index) return null
  throw new Temporary(`cannot read the plan ${revision}: it was replaced meanwhile; it is tried again`)
}

/** The plan of a revision that may no longer be in force; null when it is not there, or garbled. */
export async function keptPlan(consul: Consul, keys: Keys, revision: number): Promise<OwnPlan | null> {
  const prefix = `${keys.plans}${revision}/`
  const names = (await keysBelow(consul, prefix)).sort((a, b) => partOf(a) - partOf(b))
  if (names.length === 0 || names.length > mostParts) return null
  const found = new Map((await entriesAt(consul, names)).map(({ key, value }) => [key, value ?? '']))
  return planFrom(
    revision,
    names.map(name => found.get(name) ?? ''),
  )
}

function partOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

function planFrom(revision: number, [head, ...parts]: readonly string[]): OwnPlan | null {
  const { by, at, from, version, variables, log } = fieldsIn(head ?? null)
  const assignment = new Map<string, string>()
  const nobody = new Map<string, string>()
  for (const part of parts) {
    const { assignment: some, nobody: others } = fieldsIn(part)
    for (const [instance, ids] of Object.entries((some ?? {}) as object)) {
      if (!Array.isArray(ids)) return null
      for (const id of ids) assignment.set(String(id), instance)
    }
    for (const [id, why] of Object.entries((others ?? {}) as object)) nobody.set(id, oneLine(why))
  }
  if (typeof by !== 'string') return null
  const { keys, health } = (from ?? {}) as Record<string, unknown>
  const { service = {}, instance = {} } = (variables ?? {}) as Partial<Variables>
  return {
    ...{ revision, assignment, nobody, by: oneLine(by), at: oneLine(at) },
    from: { keys: isNumber(keys, 0) ? keys : 0, health: textIn(health) },
    version: typeof version === 'string' ? version : null,
    variables: { service, instance },
    log: Array.isArray(log) ? log.map(oneLine) : [],
  }
}

/** What was decided as one text: equal for equal plans, whatever the order of their entries. */
export function contentOf({ assignment, nobody, version, variables }: Decided): string {
  const sorted = (map: ReadonlyMap<string, string>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  return digestOfText(JSON.stringify([sorted(assignment), sorted(nobody), version, variables]))
}

/** The texts of the parts. */
function partsOf({ revision, assignment, nobody, version, variables, by, at, from, log }: OwnPlan): string[] {
  const parts = [JSON.stringify({ revision, by, at, from, ...(version !== null && { version }), variables, log })]
  let some = new Map<string, string[]>()
  let others: Record<string, string> = Object.create(null)
  let size = 0
  const close = () => {
    if (size > 0) parts.push(JSON.stringify({ assignment: Object.fromEntries(some), nobody: others }))
    some = new Map()
    others = Object.create(null)
    size = 0
  }
  const room = (bytes: number) => {
    if (size + bytes > mostBytesOfPart) close()
    size += bytes
  }
  for (const [instance, ids] of Map.groupBy(assignment.keys(), id => assignment.get(id) as string)) {
    for (const id of ids) {
      // The name of the instance stands once in each part; counted each time, it only makes the parts smaller.
      room(bytesOf(id) + 1 + (some.has(instance) ? 0 : bytesOf(instance) + 4))
      const list = some.get(instance)
      if (list === undefined) some.set(instance, [id])
      else list.push(id)
    }
  }
  for (const [id, why] of nobody) {
    room(bytesOf(id) + bytesOf(why) + 2)
    others[id] = why
  }
  close()
  return parts
}

function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text))
}

/**
 * Puts a plan in force. Every write holds only while this instance has the duty.
 * @param before the pointer as it was read; null when there was none, and 0 for the index of a missing key
 * @param only the condition that this instance still has the duty
 * @returns the revision
 * @throws Temporary when the duty was lost, or another program wrote a plan meanwhile
 */
export async function putPlanInForce(
  consul: Consul,
  keys: Keys,
  before: { readonly revision: number; readonly index: number },
  plan: Omit<OwnPlan, 'revision'>,
  { only, giveUpMs }: { readonly only: Operation; readonly giveUpMs: number },
): Promise<number> {
  const revision = before.revision + 1
  const texts = partsOf({ ...plan, revision })
  const lost = () => new Temporary('cannot write the plan: another instance has the duty, or wrote one; it goes on')
  for (const [part, text] of texts.entries()) {
    const set = { Verb: 'set', Key: keys.planPart(revision, part), Value: base64(text) } as const
    if (!(await transact(consul, [only, set])).done) throw lost()
  }
  const { by, at } = plan
  const value = {
    ...{ revision, parts: texts.length, digest: digestOfText(texts.join('\n')), content: contentOf(plan), by, at },
    giveUpMs,
  }
  const pointer = { Verb: 'cas', Key: keys.plan, Index: before.index, Value: base64(JSON.stringify(value)) } as const
  if (!(await transact(consul, [only, pointer])).done) throw lost()
  await forgetOlder(consul, keys, revision, only)
  return revision
}

/** The last three plans are kept, for people. */
async function forgetOlder(consul: Consul, keys: Keys, revision: number, only: Operation): Promise<void> {
  const isOld = (key: string) => {
    const number = Number(key.slice(keys.plans.length).split('/')[0])
    return !(number > revision - kept && number <= revision)
  }
  const old = (await keysBelow(consul, keys.plans)).filter(isOld)
  for (let from = 0; from < old.length; from += transactionLimit - 1) {
    const some = old.slice(from, from + transactionLimit - 1)
    await transact(consul, [only, ...some.map(Key => ({ Verb: 'delete', Key }) as const)])
  }
}

/**
 * The roster takes over for all. Anybody may say so, as long as the pointer is as it was read.
 * @returns false when it was changed meanwhile
 */
export async function withdrawPlan(consul: Consul, keys: Keys, pointer: PlanPointer, why: string): Promise<boolean> {
  const { index, ...value } = { ...pointer, withdrawn: why }
  const Value = base64(JSON.stringify(value))
  return (await transact(consul, [{ Verb: 'cas', Key: keys.plan, Index: index, Value }])).done
}

function isNumber(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least
}

/** Anybody may have written it, and it is printed. */
function oneLine(value: unknown): string {
  return textIn(value)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .slice(0, 1000)
}
