/**
 * One round of a scheduler of the user's own: the instance that holds the duty tells it the state of the service, and puts what
 * it answers in force if it may be followed. On any failure the last good plan stays in force; after `giveUpAfter` it is
 * withdrawn, and the ordinary roster decides.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { keysOf } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { indexOf } from '../consul/kv.ts'
import type { Assign } from '../definition/assign.ts'
import { tellSchedulerFailed } from '../hooks/instance.ts'
import { figuresRoot } from '../keys/figures.ts'
import { contentOf, putPlanInForce, withdrawPlan } from '../keys/own-plan.ts'
import {
  leaveSchedulerDuty,
  type SchedulerStanding,
  stillScheduling,
  takeSchedulerDuty,
  updateSchedulerDuty,
} from '../keys/scheduler.ts'
import { answerAsked } from '../keys/scheduler-asks.ts'
import { keepMemory, type LastRun } from '../keys/scheduler-memory.ts'
import { look } from '../look/look.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { refusal } from '../state/bounded.ts'
import { definitionInForce, type InForce } from '../state/definition.ts'
import { makeDirectory, readFact, removeFact, writeFact } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { leftToOther } from '../state/handler-mark.ts'
import { putOffScheduler, schedulerAtWork } from '../state/scheduling.ts'
import type { Run } from '../state/self.ts'
import { type Checked, checkAnswer, Refused } from './check.ts'
import { isCountable, putCountInForce } from './count.ts'
import { type Beside, inputFrom, readBeside, sightingsAfter } from './gather.ts'
import type { Input } from './input.ts'
import { Failed, runScheduler, schedulerName } from './run.ts'
import { isNewVersion, putVersionInForce } from './version.ts'

/** When to try again after a failure that was not the scheduler's, ms. */
const soon = 2000
/** So long nothing must have changed before it runs, and so long a change waits at most, ms. */
const quiet = 200
const longestUnrest = 2000
/** The shortest time between two runs, ms. */
const shortestPause = 1000
/** How many failures are kept for people. */
const mostRefused = 10

interface Scheduling {
  readonly run: Run
  readonly inForce: InForce
  readonly assign: Assign
  readonly session: string
  readonly standing: SchedulerStanding & { readonly duty: NonNullable<SchedulerStanding['duty']> }
}

/** What a round did, and after how many ms the next one is due. */
interface Round {
  readonly done: string
  readonly next: number
}

/**
 * @returns what was done, as a sentence
 * @throws Temporary when Consul is away. A failure of the scheduler is not thrown but written into Consul.
 */
export async function schedule(run: Run): Promise<string> {
  const inForce = definitionInForce(run.files)
  const assign = inForce?.definition.assign
  if (inForce === null || assign === undefined) return stop(run)
  makeDirectory(run.files.scheduler)
  let done = ''
  const alone = await asOnlyHandler(run.files.scheduler, async () => {
    putOffScheduler(run.files, inForce, assign.timeoutMs + schedulerAtWork)
    let next = soon
    try {
      const round = await oneRound(run, inForce, assign)
      ;({ next, done } = round)
    } finally {
      putOffScheduler(run.files, inForce, next)
    }
  })
  return alone ? done : leftToOther
}

/** Its definition has no scheduler any more. */
async function stop(run: Run): Promise<string> {
  const session = readFact(run.files.session)
  const left = session !== null && (await leaveSchedulerDuty(run.consul, keysOf(run.service), session))
  for (const fact of [run.files.schedulerDue, run.files.schedulerSaw, run.files.schedulerBy]) removeFact(fact)
  return `nothing to do: its definition has no scheduler${left ? '; another instance may run one' : ''}`
}

async function oneRound(run: Run, inForce: InForce, assign: Assign): Promise<Round> {
  const session = readFact(run.files.session)
  if (session === null) return { done: 'no scheduler is run: it does not take part yet', next: soon }
  const standing = await takeSchedulerDuty(run.consul, keysOf(run.service), run.instance, session)
  if (readFact(run.files.schedulerBy) !== standing.by) writeFact(run.files.schedulerBy, standing.by)
  const { duty } = standing
  if (duty === null) return { done: `${standing.by} runs the scheduler`, next: assign.everyMs }
  await untilQuiet(run)
  const scheduling = { run, inForce, assign, session, standing: { ...standing, duty } }
  return assign.on.includes('figures') ? byFigures(scheduling) : decide(scheduling)
}

/** Figures are written all the time: their index is asked every 10 s, and the scheduler runs if it has changed. */
async function byFigures(scheduling: Scheduling): Promise<Round> {
  const { files, consul, service } = scheduling.run
  const fact = `${files.scheduler}/figures`
  const [before = '', due = 0, ran = 0] = readFact(fact)?.split(' ') ?? []
  const index = await indexOf(consul, figuresRoot(service))
  const now = bootClock()
  const changed = Number(readFact(files.schedulerChanged) ?? 0)
  if (index === before && now < Number(due) && changed <= Number(ran) && Number(ran) <= now)
    return { done: 'nothing has changed', next: Math.min(figuresEvery, Number(due) - now) }
  const { done, next } = await decide(scheduling)
  writeFact(fact, [index, bootClock() + next, now].join(' '))
  return { done, next: Math.min(next, figuresEvery) }
}

/** ms */
const figuresEvery = 10_000

/** Several changes at once are one reason to run, not many. */
async function untilQuiet({ files }: Run): Promise<void> {
  const until = bootClock() + longestUnrest
  for (;;) {
    const since = bootClock() - Number(readFact(files.schedulerChanged) ?? 0)
    const left = since >= 0 && since < quiet ? quiet - since : 0
    if (left === 0 || bootClock() + left > until) return
    await delay(left)
  }
}

async function decide(scheduling: Scheduling): Promise<Round> {
  const { run, assign, inForce } = scheduling
  const { snapshot } = await look(run, false)
  const beside = await readBeside(run.consul, snapshot)
  const now = new Date().toISOString()
  const countable = isCountable(inForce.definition)
  const input = inputFrom(snapshot, beside, { self: run.instance, now, countable })
  const place = { ...run, cwd: inForce.definition.run.cwd ?? '/' }
  const begun = bootClock()
  try {
    const why = await refusal(run.files.directory, inForce.definition)
    if (why !== null) throw new Failed(`cannot run the scheduler: ${why}`)
    const { text, took } = await runScheduler(place, assign, JSON.stringify(input))
    const checked = checkAnswer(text, input)
    const done = await take(scheduling, snapshot, beside, { input, checked }, { now, took })
    return { done, next: Math.max(shortestPause, checked.nextMs ?? assign.everyMs) }
  } catch (error) {
    if (!(error instanceof Failed || error instanceof Refused)) throw error
    return failed(scheduling, snapshot, beside, { error, now, took: bootClock() - begun })
  }
}

/** Puts what it decided in force, as far as that differs from what is. @returns what was done */
async function take(
  { run, assign, session, standing }: Scheduling,
  snapshot: Snapshot,
  beside: Beside,
  { input, checked }: { readonly input: Input; readonly checked: Checked },
  { now, took }: { readonly now: string; readonly took: number },
): Promise<string> {
  const { consul, instance, service } = run
  const { keys, ownPlan } = snapshot
  const only = stillScheduling(keys, session)
  const { pointer } = ownPlan
  const isSame = ownPlan.plan !== null && pointer?.content === contentOf(checked)
  const before = { revision: pointer?.revision ?? 0, index: ownPlan.index }
  const from = { keys: snapshot.index, health: snapshot.healthIndex }
  const plan = { ...checked, by: instance, at: now, from }
  // The version comes first: what fails after it is done again, and finds that version in force.
  const version = isNewVersion(checked.version, input.settings.version)
    ? await putVersionInForce(run, snapshot, checked.version as string, only)
    : null
  const revision = isSame
    ? before.revision
    : await putPlanInForce(consul, keys, before, plan, { only, giveUpMs: assign.giveUpAfterMs })
  const counted = checked.count === null ? null : await putCountInForce(run, snapshot, checked.count)
  const refused = beside.memory.last?.refused ?? []
  const last: LastRun = { at: now, by: instance, version: checked.version, took, log: checked.log, refused }
  const state = checked.state === undefined ? beside.memory.state : checked.state
  const seen = sightingsAfter(beside.memory.seen, snapshot.members, now)
  await keepMemory(consul, service, { before: beside.memory, after: { state, seen, last }, only })
  if (beside.asked.length > 0)
    await answerAsked(consul, keys, beside.asked, { answers: checked.answers, only, now: new Date(now) })
  await report(run, session, standing, { problem: null, since: null, actions: assign.actions })
  const said = isSame
    ? `the plan ${revision} stays`
    : `put the plan ${revision} in force (${checked.assignment.size} entries)`
  const done = [said, version ?? [], counted ?? []].flat().join('; ')
  if (!isSame || version !== null || counted !== null) run.log(done)
  return done
}

/**
 * The last good plan stays. Everybody is told at once, and the hook when the failures begin; after `giveUpAfter` the plan is
 * withdrawn.
 */
async function failed(
  { run, inForce, assign, session, standing }: Scheduling,
  { keys, ownPlan, members }: Snapshot,
  { memory }: Beside,
  { error, now, took }: { readonly error: Failed | Refused; readonly now: string; readonly took: number },
): Promise<Round> {
  const { consul, service, instance } = run
  const what = error instanceof Refused ? 'its answer is refused: ' : ''
  const why = `the scheduler ${schedulerName(assign)} on ${instance}: ${what}${error.message}`
  const { duty, index } = standing
  const since = duty.since !== null && Date.parse(duty.since) <= Date.parse(now) ? duty.since : now
  const only = stillScheduling(keys, session)
  const refused = [{ at: now, why: error.message }, ...(memory.last?.refused ?? [])].slice(0, mostRefused)
  const last: LastRun = { log: [], version: null, ...memory.last, at: now, by: instance, took, refused }
  const seen = sightingsAfter(memory.seen, members, now)
  await keepMemory(consul, service, { before: memory, after: { last, seen }, only })
  await report(run, session, standing, { problem: why, since, actions: assign.actions })
  if (duty.problem === null) tellSchedulerFailed(run, inForce.definition, `${index}`, why)
  if (duty.problem !== why) run.log(why)
  const failing = Date.parse(now) - Date.parse(since)
  const { pointer } = ownPlan
  if (failing >= assign.giveUpAfterMs && pointer !== null && pointer.withdrawn === null) {
    const over = `no good answer for ${seconds(failing)}: ${error.message}`
    if (await withdrawPlan(consul, keys, pointer, over)) run.log(`withdrew the plan ${pointer.revision}: ${over}`)
  }
  const advice = `see watchbill plan ${shellWord(service)} --show`
  return { done: `${why}; the last good plan stays; ${advice}`, next: Math.min(assign.everyMs, longestRetry) }
}

/** ms */
const longestRetry = 30_000

/** Writes the duty key when it changed. */
async function report(
  { consul, service, instance }: Run,
  session: string,
  { duty }: Scheduling['standing'],
  now: Omit<Scheduling['standing']['duty'], 'by'>,
): Promise<void> {
  const after = { by: instance, ...now }
  if (JSON.stringify(after) !== JSON.stringify(duty)) await updateSchedulerDuty(consul, keysOf(service), session, after)
}
