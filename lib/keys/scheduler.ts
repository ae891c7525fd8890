/**
 * `duty/scheduler`: the instance that runs the scheduler locks this key with its session. The value tells everyone how the
 * scheduler is and what it can be asked, and is written only when that changes. What changes at each run stands elsewhere, in
 * `watchbill/.scheduler/<service>/`: the index of the service's own keys tells every instance whether a look is needed.
 */

import { Permanent, Temporary } from '../base/errors.ts'
import { fieldsIn, textIn } from '../base/json.ts'
import { encode, type Keys } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, keysBelow, transact, transactionLimit, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { Actions } from '../definition/definition.ts'

export interface SchedulerDuty {
  /** The instance that runs it, or ran it last. */
  readonly by: string
  /** Why there is no newer plan, and since when, ISO; null while all is well. */
  readonly problem: string | null
  readonly since: string | null
  readonly actions: Actions
}

export interface SchedulerStanding {
  /** Null when another instance runs it. */
  readonly duty: SchedulerDuty | null
  /** The index of the duty's last change, so that each change is told once. */
  readonly index: number
  readonly by: string
}

const dutyName = 'scheduler'

/** A garbled value means that no instance has run it yet. */
export function schedulerDutyFrom(text: string | null): SchedulerDuty {
  const { by, problem, since, actions } = fieldsIn(text)
  return {
    by: textIn(by),
    problem: typeof problem === 'string' ? problem : null,
    since: typeof since === 'string' ? since : null,
    actions: actionsIn(actions),
  }
}

function actionsIn(value: unknown): Actions {
  const found = Object.entries((value ?? {}) as object).map(([name, action]) => {
    const { title, arguments: named } = (action ?? {}) as Record<string, unknown>
    const all = Object.entries((named ?? {}) as object).map(([one, what]) => [one, textIn(what)])
    return [name, { title: textIn(title), arguments: Object.fromEntries(all) }]
  })
  return Object.fromEntries(found)
}

export async function readSchedulerDuty(consul: Consul, keys: Keys): Promise<SchedulerDuty | null> {
  const [entry] = await entriesAt(consul, [keys.duty(dutyName)])
  return entry === undefined ? null : schedulerDutyFrom(entry.value)
}

/** Takes the duty if no instance has it. @throws Temporary when Consul is away */
export async function takeSchedulerDuty(
  consul: Consul,
  keys: Keys,
  instance: string,
  session: string,
): Promise<SchedulerStanding> {
  const [entry] = await entriesAt(consul, [keys.duty(dutyName)])
  const before = schedulerDutyFrom(entry?.value ?? null)
  const index = entry?.modifyIndex ?? 0
  if (entry?.session && entry.session !== session) return { duty: null, index, by: before.by }
  const duty = { ...before, by: instance }
  if (!entry?.session && !(await write(consul, keys, session, duty, entry))) return { duty: null, index, by: 'another' }
  return { duty, index, by: instance }
}

/** @throws Temporary when the duty was lost meanwhile */
export async function updateSchedulerDuty(
  consul: Consul,
  keys: Keys,
  session: string,
  duty: SchedulerDuty,
): Promise<void> {
  if (await write(consul, keys, session, duty)) return
  throw new Temporary(`cannot write ${keys.duty(dutyName)}: another instance runs the scheduler now; it goes on`)
}

/** Its definition has no scheduler any more: another instance may have one. @returns false when the duty was not ours */
export async function leaveSchedulerDuty(consul: Consul, keys: Keys, session: string): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keys.duty(dutyName)])
  if (entry?.session !== session) return false
  const { key: Key, modifyIndex: Index, value } = entry
  const unlock = { Verb: 'unlock', Key, Session: session, Value: base64(value ?? '{}') } as const
  return (await transact(consul, [{ Verb: 'check-index', Key, Index }, unlock])).done
}

/** The condition under which a plan may be written. */
export function stillScheduling(keys: Keys, session: string): Operation {
  return { Verb: 'check-session', Key: keys.duty(dutyName), Session: session }
}

async function write(
  consul: Consul,
  keys: Keys,
  session: string,
  duty: SchedulerDuty,
  asRead?: Entry,
): Promise<boolean> {
  const Key = keys.duty(dutyName)
  const check = asRead ? [{ Verb: 'check-index', Key, Index: asRead.modifyIndex } as const] : []
  const lock = { Verb: 'lock', Key, Session: session, Value: base64(JSON.stringify(duty)) } as const
  return (await transact(consul, [...check, lock])).done
}

export function schedulerRoot(service: string): string {
  return `watchbill/.scheduler/${encode(service)}/`
}

/** What the scheduler knows from run to run. */
export interface Memory {
  /** What its last good answer returned as its state; null at first. */
  readonly state: unknown
  /** Since when each member has been known, and when one that is gone was last seen and first missed, ISO. */
  readonly seen: Readonly<Record<string, Sighting>>
  /** The last run; null before the first. */
  readonly last: LastRun | null
}

export interface Sighting {
  readonly since: string
  /** Of one that is gone. */
  readonly left?: { readonly seen: string; readonly missed: string; readonly node: string }
}

export interface LastRun {
  readonly at: string
  readonly by: string
  /** How long the scheduler took, ms. */
  readonly took: number
  readonly log: readonly string[]
  /** The last refusals and failures, the newest first. */
  readonly refused: readonly { readonly at: string; readonly why: string }[]
}

/** Garbled values count as missing. @throws Temporary when Consul is away */
export async function readMemory(consul: Consul, service: string): Promise<Memory> {
  const root = schedulerRoot(service)
  const found = new Map((await trees(consul, [root])).map(({ key, value }) => [key.slice(root.length), value]))
  const { state = null } = fieldsIn(found.get('state') ?? null)
  const seen = fieldsIn(found.get('seen') ?? null) as Memory['seen']
  return { state, seen, last: lastIn(found.get('last') ?? null) }
}

function lastIn(text: string | null): LastRun | null {
  const { at, by, took, log, refused } = fieldsIn(text)
  if (typeof at !== 'string') return null
  const all = Array.isArray(refused) ? refused : []
  return {
    ...{ at, by: textIn(by), took: typeof took === 'number' ? took : 0 },
    log: Array.isArray(log) ? log.map(textIn) : [],
    refused: all.map(one => ({ at: textIn(one?.at), why: textIn(one?.why) })),
  }
}

/** Writes what has changed, while this instance has the duty. */
export async function keepMemory(
  consul: Consul,
  service: string,
  { before, after, only }: { readonly before: Memory; readonly after: Partial<Memory>; readonly only: Operation },
): Promise<void> {
  const values: Record<keyof Memory, (of: Memory) => unknown> = {
    state: ({ state }) => ({ state }),
    seen: ({ seen }) => seen,
    last: ({ last }) => last,
  }
  const now = { ...before, ...after }
  const text = (of: Memory, name: keyof Memory) => JSON.stringify(values[name](of))
  const changed = (Object.keys(values) as (keyof Memory)[]).filter(name => text(now, name) !== text(before, name))
  const root = schedulerRoot(service)
  const sets = changed.map(name => ({ Verb: 'set', Key: `${root}${name}`, Value: base64(text(now, name)) }) as const)
  if (sets.length > 0) await transact(consul, [only, ...sets])
}

/** Of a service that is purged. Nobody misses what stays: this throws nothing. */
export async function forgetScheduler(consul: Consul, service: string): Promise<void> {
  try {
    const all = await keysBelow(consul, schedulerRoot(service))
    const deletions = all.slice(0, transactionLimit).map(Key => ({ Verb: 'delete', Key }) as const)
    if (deletions.length > 0) await transact(consul, deletions)
  } catch {
    // The token may not, or Consul is away.
  }
}

/** What somebody asked of the scheduler. */
export interface Asked {
  readonly id: string
  readonly action: string
  readonly arguments: Readonly<Record<string, string>>
  readonly at: string
  /** What became of it; null while it waits. */
  readonly answer: string | null
  readonly index: number
}

/** So many may wait. */
const mostAsked = 100
/** An answer that nobody fetched is forgotten after this long, ms. */
const answersStay = 600_000

/** The oldest first. @throws Temporary when Consul is away */
export async function readAsked(consul: Consul, keys: Keys): Promise<Asked[]> {
  return (await trees(consul, [keys.asks]))
    .flatMap(entry => askedFrom(entry, keys) ?? [])
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1))
}

function askedFrom({ key, value, modifyIndex }: Entry, { asks }: Keys): Asked | null {
  const { action, arguments: given, at, answer } = fieldsIn(value)
  if (typeof action !== 'string' || typeof at !== 'string') return null
  const all = Object.entries((given ?? {}) as object).map(([name, one]) => [name, textIn(one)])
  return {
    ...{ id: key.slice(asks.length), action, at, index: modifyIndex, arguments: Object.fromEntries(all) },
    answer: typeof answer === 'string' ? answer : null,
  }
}

/**
 * Asks. The key `spec/asked` wakes the instance that runs the scheduler, and keeps two who ask at once apart.
 * @throws Temporary when a hundred wait, or others keep asking
 */
export async function ask(
  consul: Consul,
  keys: Keys,
  service: string,
  asked: Pick<Asked, 'id' | 'action' | 'arguments'>,
): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const [entry] = await entriesAt(consul, [keys.asked])
    const waiting = (await readAsked(consul, keys)).filter(({ answer }) => answer === null).length
    if (waiting >= mostAsked) {
      const next = `see watchbill plan ${shellWord(service)} --show`
      throw new Temporary(`cannot ask ${service} to ${asked.action}: ${waiting} actions wait already; ${next}`)
    }
    const at = new Date().toISOString()
    const Value = base64(JSON.stringify({ action: asked.action, arguments: asked.arguments, at }))
    const outcome = await transact(consul, [
      { Verb: 'cas', Key: keys.asked, Index: entry?.modifyIndex ?? 0, Value: base64(JSON.stringify({ at })) },
      { Verb: 'cas', Key: keys.ask(asked.id), Index: 0, Value },
    ])
    if (outcome.done) return
  }
  throw new Temporary(`cannot ask ${service} to ${asked.action}: others keep asking; try again`)
}

/** @throws Permanent when the scheduler knows no such action, or other arguments */
export function mustBeAction(
  { actions }: SchedulerDuty,
  service: string,
  action: string,
  given: Readonly<Record<string, string>>,
): void {
  const refuse = (why: string) => new Permanent(`cannot ask ${service} to ${action}: ${why}`)
  const known = Object.hasOwn(actions, action) ? actions[action] : undefined
  const there = Object.keys(actions).join(', ') || 'none'
  if (known === undefined) throw refuse(`there is no such action in its definition; there are: ${there}`)
  const names = Object.keys(known.arguments)
  const stray = Object.keys(given).find(name => !names.includes(name))
  if (stray !== undefined) throw refuse(`it has no argument ${stray}; give ${names.join(', ') || 'none'}`)
  const missing = names.find(name => !Object.hasOwn(given, name))
  if (missing !== undefined)
    throw refuse(`the argument ${missing} is missing (${known.arguments[missing]}); give ${missing}=…`)
}

/** Writes what became of actions, and forgets old answers that nobody fetched. */
export async function answerAsked(
  consul: Consul,
  keys: Keys,
  all: readonly Asked[],
  {
    answers,
    only,
    now,
  }: { readonly answers: ReadonlyMap<string, string>; readonly only: Operation; readonly now: Date },
): Promise<void> {
  const operations = all.flatMap(({ id, index, answer, ...asked }): Operation[] => {
    const Key = keys.ask(id)
    const said = answers.get(id)
    if (said !== undefined && answer === null)
      return [{ Verb: 'cas', Key, Index: index, Value: base64(JSON.stringify({ ...asked, answer: said })) }]
    const isOld = answer !== null && now.getTime() - Date.parse(asked.at) > answersStay
    return isOld ? [{ Verb: 'delete-cas', Key, Index: index }] : []
  })
  for (const operation of operations) await transact(consul, [only, operation])
}

/** What became of it; null while it waits. @throws Temporary when it is not there any more */
export async function answerTo(consul: Consul, keys: Keys, id: string): Promise<string | null> {
  const [entry] = await entriesAt(consul, [keys.ask(id)])
  const asked = entry === undefined ? null : askedFrom(entry, keys)
  if (asked === null) throw new Temporary('cannot wait for the answer: somebody removed the action; ask again')
  if (asked.answer !== null) await transact(consul, [{ Verb: 'delete-cas', Key: keys.ask(id), Index: asked.index }])
  return asked.answer
}
