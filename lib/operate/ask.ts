/** Asks something of the scheduler of a service, and waits for what becomes of it. */

import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, randomId } from '../base/clock.ts'
import { Permanent, Temporary } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import type { Consul } from '../consul/http.ts'
import { readSchedulerDuty, type SchedulerDuty } from '../keys/scheduler.ts'
import { answerTo, ask, askedWords, mustBeAction, readAsked } from '../keys/scheduler-asks.ts'

/** How often the answer is looked for, ms. */
const poll = 200

/** @throws Permanent that names the word that cannot be read */
export function argumentsIn(words: readonly string[]): Record<string, string> {
  const given: Record<string, string> = {}
  for (const word of words) {
    const [name = '', ...rest] = word.split('=')
    if (name === '' || rest.length === 0)
      throw new Permanent(`cannot read the arguments: "${word}" is no argument; give name=value`)
    if (Object.hasOwn(given, name)) throw new Permanent(`cannot read the arguments: ${name} is there twice`)
    const value = rest.join('=')
    if (value.length > 1024) throw new Permanent(`cannot read the arguments: ${name} has more than 1024 characters`)
    given[name] = value
  }
  return given
}

/**
 * @param limit how long to wait for the answer, ms; 0 not to wait
 * @returns the id of the action, and what became of it; null for not yet
 * @throws Permanent for an action that is not in the definition; Temporary when nobody runs a scheduler, a hundred wait, or
 * Consul has no leader
 */
export async function askScheduler(
  consul: Consul,
  service: string,
  { action, given, limit }: { readonly action: string; readonly given: Record<string, string>; readonly limit: number },
): Promise<{ readonly id: string; readonly answer: string | null }> {
  const keys = keysOf(service)
  await mustBeAskable(consul, service, action, given)
  const id = randomId().slice(0, 13)
  await ask(consul, keys, service, { id, action, arguments: given })
  const until = bootClock() + limit
  for (;;) {
    if (limit === 0) return { id, answer: null }
    const answer = await answerTo(consul, keys, id)
    if (answer !== null) return { id, answer }
    if (bootClock() > until) {
      const show = `watchbill plan ${shellWord(service)} --show`
      throw new Temporary(`cannot wait longer: the scheduler has not answered ${id}; it still waits: ${show}`)
    }
    await delay(poll)
  }
}

/** What would be asked, of whom, and how many wait before it. @throws as `mustBeAskable` */
export async function wouldAsk(
  consul: Consul,
  service: string,
  { action, given }: { readonly action: string; readonly given: Readonly<Record<string, string>> },
): Promise<string[]> {
  const { by, actions } = await mustBeAskable(consul, service, action, given)
  const waiting = (await readAsked(consul, keysOf(service))).filter(({ answer }) => answer === null).length
  const title = actions[action]?.title
  return [
    `would ask the scheduler on ${by}: ${askedWords({ action, arguments: given })}${title && ` (${title})`}`,
    ...(waiting > 0 ? [`${waiting} asked before it wait for their answers`] : []),
  ]
}

/** @returns the scheduler that would be asked @throws Permanent for an action that is not in the definition; Temporary when nobody runs a scheduler */
async function mustBeAskable(
  consul: Consul,
  service: string,
  action: string,
  given: Readonly<Record<string, string>>,
): Promise<SchedulerDuty> {
  const duty = await readSchedulerDuty(consul, keysOf(service))
  if (duty === null)
    throw new Temporary(`cannot ask ${service} to ${action}: no instance has run a scheduler yet; see "assign"`)
  mustBeAction(duty, service, action, given)
  return duty
}
