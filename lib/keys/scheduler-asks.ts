/** `ask/<id>`: what people have asked of the scheduler, until its answer was read. */
import { Permanent, Temporary } from '../base/errors.ts'
import { fieldsIn, textIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, transact, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { recorded } from './asked.ts'
import type { SchedulerDuty } from './scheduler.ts'

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
export const mostAsked = 100
/** What was asked, for the record of events: no more than so many characters. */
const mostWords = 300
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
      ...(await recorded(consul, keys, [{ what: 'scheduler asked', why: askedWords(asked).slice(0, mostWords) }])),
    ])
    if (outcome.done) return
  }
  throw new Temporary(`cannot ask ${service} to ${asked.action}: others keep asking; try again`)
}

/** The action with its arguments, as they are typed. */
export function askedWords({ action, arguments: given }: Pick<Asked, 'action' | 'arguments'>): string {
  return [action, ...Object.entries(given).map(([name, value]) => `${name}=${value}`)].join(' ')
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
