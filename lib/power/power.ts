/**
 * Powers a machine off whose node has failed and has locks, and marks those locks clean once it is surely off. Truth does not
 * depend on who does it, how late, or how often: a lock that is as it was before the command ran belongs to the dead.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { failedNodes, nodeState } from '../consul/instances.ts'
import { destroySession, type Session, sessionsOn } from '../consul/session.ts'
import type { PowerOff } from '../definition/power.ts'
import { lastBoot, type PowerRecord } from '../keys/power.ts'
import { makeDirectory } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { leftToOther } from '../state/handler-mark.ts'
import { readPowerOff } from '../state/power.ts'
import type { Run } from '../state/self.ts'
import { begunWith, decide, type Failures, type Step, seenFailures } from './decide.ts'
import type { NodeLocks } from './locks.ts'
import { markClean } from './mark.ts'
import { runCommand } from './run-command.ts'
import { inTurn, type Outcome, writeDown } from './turn.ts'
import { type Seen, see } from './view.ts'

/** Runs a command: @returns why it failed, or null */
export type Runs = typeof runCommand

/** @returns what was done, as a sentence @throws Permanent when power-off.json is bad; Temporary when Consul is away */
export async function powerOff(run: Run, runs: Runs = runCommand): Promise<string> {
  const settings = readPowerOff()
  makeDirectory(run.files.power)
  let said = ''
  const alone = await asOnlyHandler(run.files.power, async () => {
    said = await powerByTurns(run, settings, runs)
  })
  return alone ? said : leftToOther
}

/** What would be done, without waiting for anything. */
export async function wouldPowerOff({ consul, node }: Run): Promise<string[]> {
  const settings = readPowerOff()
  const seen = await see(consul, node)
  const step = decide(seen.view, seenFailures(new Map(), seen.view), settings)
  if (step.do === 'power off') return [`would power off ${step.node}: ${lockWords(seen.locks(step.node))}`]
  if (step.do === 'nothing') return [`would do nothing${step.why.map(why => `; ${why}`).join('')}`]
  return step.why.map(why => `would wait: ${why}`)
}

/** Until there is nothing more to do. @throws as `powerOff` */
export async function powerByTurns(run: Run, settings: PowerOff, runs: Runs): Promise<string> {
  let failures: Failures = new Map()
  const done: string[] = []
  for (;;) {
    const seen = await see(run.consul, run.node)
    failures = seenFailures(failures, seen.view)
    const step = decide(seen.view, failures, settings)
    if (step.do === 'nothing') return [...done, ...step.why].join('; ') || 'nothing to do'
    if (step.do === 'wait') await delay(Math.max(0, step.ms - (bootClock() - seen.view.now)))
    else done.push(await powerOne(run, seen, step, settings, runs))
  }
}

type Due = Extract<Step, { do: 'power off' }>

async function powerOne(run: Run, seen: Seen, { node, failure }: Due, settings: PowerOff, runs: Runs): Promise<string> {
  const { view, boots } = seen
  const locks = seen.locks(node) // from before the command
  const since = new Date(view.wall).toISOString()
  const record: PowerRecord = {
    ...{ state: 'under way', by: run.instance, since, failure },
    ...{ boot: lastBoot(boots, node), why: null, alive: null },
  }
  const begun = begunWith(view, node)
  const outcome = await inTurn(run.consul, view.power, node, { record, begun }, async session => {
    const cameBack = (await failedNodes(run.consul)).get(node) !== failure
    if (cameBack) return { record: failed(record, 'it came back before the command'), begun: view.power.turn.begun }
    const sessions = await sessionsOf(run, node)
    run.log(`powers off ${node}, which has failed: ${lockWords(locks)}`)
    const why = (await runs(settings.command, node, settings.timeoutMs)) ?? (await confirmed(run, node, settings, runs))
    if (why !== null) return { record: failed(record, why), begun }
    const off: PowerRecord = { ...record, state: 'off' }
    await writeDown(run.consul, node, session, off)
    const left = await free(run, node, locks, session)
    await endSessions(run, node, sessions)
    return { record: { ...off, why: left }, begun }
  })
  const sentence = wordsOf(node, outcome)
  run.log(sentence)
  return sentence
}

/** Both must say so: the command of the administrator, and Consul's gossip. @returns why not; null when it is off */
async function confirmed({ consul }: Run, node: string, settings: PowerOff, runs: Runs): Promise<string | null> {
  const why = await runs(settings.confirm, node, settings.timeoutMs)
  if (why !== null) return why
  return (await nodeState(consul, node)) === 'alive' ? 'it is there again' : null
}

function failed(record: PowerRecord, why: string): PowerRecord {
  return { ...record, state: 'failed', why }
}

/** Marks the locks of all services, each for itself. @returns what was left alone, in words; null for nothing */
async function free(run: Run, node: string, services: readonly NodeLocks[], session: string): Promise<string | null> {
  const left: string[] = []
  for (const of of services) {
    try {
      const marked = await markClean(run.consul, of, node, { session, by: run.instance })
      left.push(...marked.left.map(({ id }) => `${of.service}/${id}`))
    } catch (error) {
      run.log(`cannot mark the locks of ${of.service} clean: ${reason(error)}`)
      left.push(`${of.service}: ${reason(error)}`)
    }
  }
  return left.length > 0 ? `left to the takeover wait: ${left.join(', ')}`.slice(0, 400) : null
}

/** From before the command: later ones belong to a machine that has booted since. A token that may not see them ends none. */
async function sessionsOf({ consul, log }: Run, node: string): Promise<readonly Session[]> {
  try {
    const sessions = await sessionsOn(consul, node)
    return sessions.filter(({ Name }) => Name.startsWith(`watchbill ${node}:`))
  } catch (error) {
    log(`cannot see the sessions of ${node}: ${reason(error)}`)
    return []
  }
}

/** Consul has ended them with the node's failure; what is left would make others wait for the dead. */
async function endSessions({ consul, log }: Run, node: string, sessions: readonly Session[]): Promise<void> {
  try {
    for (const session of sessions) await destroySession(consul, session)
  } catch (error) {
    log(`cannot end the sessions of ${node}: ${reason(error)}`)
  }
}

export function lockWords(services: readonly NodeLocks[]): string {
  return services.map(({ service, locks }) => `${locks.length} locks of ${service}`).join(', ')
}

function wordsOf(node: string, outcome: Outcome | null): string {
  if (outcome === null) return `${node}: another machine is at it`
  const { state, why } = outcome.record
  const more = why === null ? '' : `: ${why}`
  return state === 'off' ? `${node} is off, and its locks are clean${more}` : `${node} is not powered off${more}`
}
