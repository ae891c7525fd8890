/**
 * A person says that a machine is off: its locks are marked clean, as when a command has powered it off. And a person has looked at
 * a machine that was declared off and was not.
 */
import { Permanent, reason, Temporary } from '../base/errors.ts'
import { shellWord } from '../base/printable.ts'
import type { Consul } from '../consul/http.ts'
import { failedNodes, nodeState } from '../consul/instances.ts'
import { forgetRecord, lastBoot, type PowerRecord, readPower } from '../keys/power.ts'
import { locksOfNode, type NodeLocks } from '../power/locks.ts'
import { markClean } from '../power/mark.ts'
import { lockWords } from '../power/power.ts'
import { inTurn, writeDown } from '../power/turn.ts'
import { readServices } from '../power/view.ts'

/** What was read before the person was asked: a lock that changes afterwards is left alone. */
export interface BeforeAsking {
  readonly node: string
  readonly services: readonly NodeLocks[]
  readonly found: Awaited<ReturnType<typeof readServices>>
  readonly failure: number
}

/** @throws Permanent when the node gossips: it is not off */
export async function lookBeforeAsking(consul: Consul, node: string): Promise<BeforeAsking> {
  if ((await nodeState(consul, node)) === 'alive')
    throw new Permanent(`cannot take ${node} for off: its agent answers the others; power it off first`)
  const found = await readServices(consul)
  const failure = (await failedNodes(consul)).get(node) ?? 0
  return { node, services: locksOfNode(found.clusters, node), found, failure }
}

/** What would become clean, in words. */
export function cleanWords({ services, found }: BeforeAsking): string {
  const warm = services.filter(({ frozen }) => !frozen)
  const cold = services.filter(({ frozen }) => frozen).map(({ service }) => `${service} is frozen`)
  const hidden = found.hidden.map(service => `${service} may not be read`)
  return [`${lockWords(warm) || 'no lock'} become clean`, ...cold, ...hidden].join('; ')
}

/** @returns what was left alone, in words @throws Temporary when a machine is being powered off just now */
export async function declareOff(consul: Consul, before: BeforeAsking): Promise<string[]> {
  const { node, services, found, failure } = before
  const by = (await consul.by?.()) || 'somebody'
  const record: PowerRecord = {
    ...{ state: 'under way', by, since: new Date().toISOString(), failure },
    ...{ boot: lastBoot(found.boots, node), why: null, alive: null },
  }
  const { begun } = found.power.turn
  const left: string[] = []
  const outcome = await inTurn(consul, found.power, node, { record, begun }, async session => {
    if ((await nodeState(consul, node)) === 'alive')
      return { record: { ...record, state: 'failed', why: 'it is there again' }, begun }
    await writeDown(consul, node, session, { ...record, state: 'off' })
    for (const of of services) left.push(...(await freed(consul, of, node, { session, by })))
    return { record: { ...record, state: 'off', why: left.join('; ').slice(0, 400) || null }, begun }
  })
  if (outcome === null)
    throw new Temporary(`cannot take ${node} for off: a machine is being powered off just now; say it again`)
  if (outcome.record.state === 'failed') throw new Permanent(`cannot take ${node} for off: ${outcome.record.why}`)
  return left
}

async function freed(consul: Consul, of: NodeLocks, node: string, marker: { session: string; by: string }) {
  if (of.frozen) return [`${of.service} is frozen`]
  try {
    const { left } = await markClean(consul, of, node, marker)
    return left.map(({ id }) => `${of.service}/${id} has changed`)
  } catch (error) {
    return [`${of.service}: ${reason(error)}`]
  }
}

/** Forgets what became of a machine. @returns what was forgotten, in words @throws Permanent when there is nothing */
export async function acknowledge(consul: Consul, node: string, dryRun: boolean): Promise<string> {
  const record = (await readPower(consul)).records.get(node)
  if (record === undefined)
    throw new Permanent(`cannot acknowledge ${node}: nobody has powered it off; see watchbill status`)
  const words = `that ${record.by} declared ${node} ${record.state} at ${record.since}`
  if (dryRun) return `would forget ${words}`
  if (await forgetRecord(consul, record)) return `forgot ${words}`
  throw new Temporary(`cannot acknowledge ${node}: it was changed meanwhile; say it again`)
}

/**
 * Asks for the name, which nobody types by mistake. @param said what was given as an option instead
 * @param ask asks at the terminal; without one it says what to do instead
 */
export async function mustBeSure(
  before: BeforeAsking,
  said: string | undefined,
  ask: (question: string, instead: string) => Promise<string>,
): Promise<void> {
  const { node } = before
  const question = `${node}: ${cleanWords(before)}. If it still runs, partitions run twice. Type its name if it is off:`
  const name = said ?? (await ask(question, `say --yes-it-is-off ${shellWord(node)}`))
  if (name !== node) throw new Permanent(`cannot take ${node} for off: not confirmed`)
}
