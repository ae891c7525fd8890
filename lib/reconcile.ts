/** One handler's whole run: look → assign → plan → act, again until there is nothing left to do. */

import { existsSync } from 'node:fs'
import { ownTroubles, twinSeen } from './act/own-troubles.ts'
import { renew } from './act/renew.ts'
import { writeReport } from './act/report.ts'
import { bootClock, bootId } from './base/clock.ts'
import { Permanent, reason } from './base/errors.ts'
import { placementValue } from './keys/placement.ts'
import { restoreEpoch } from './keys/settings.ts'
import { termsText } from './keys/terms.ts'
import { readFree, writeFree } from './look/free.ts'
import { look } from './look/look.ts'
import { endRest, isCrowd, rememberLooked } from './look/looked.ts'
import { seenHeldText } from './look/seen-held.ts'
import type { Snapshot } from './look/snapshot.ts'
import { writeStood } from './look/stood.ts'
import { changeLine, keysIndex, writeRest } from './look/unchanged.ts'
import { type Plan, plan } from './plan/plan.ts'
import type { Step } from './plan/step.ts'
import { isAnythingDue, rollWork } from './roll/due.ts'
import { assigned } from './roster/assignment.ts'
import type { Assignment } from './roster/rule.ts'
import { enterState } from './state/boot.ts'
import { definitionInForce } from './state/definition.ts'
import { noteEvents } from './state/events.ts'
import { readFact, removeFact, writeFact } from './state/facts.ts'
import { asOnlyHandler } from './state/handler-lock.ts'
import { instanceLease } from './state/lease.ts'
import { hasLeft } from './state/left.ts'
import { localFacts } from './state/local.ts'
import { mayPowerOff } from './state/power-path.ts'
import type { Run } from './state/self.ts'
import { hasStandIn } from './state/stand-in.ts'

/** The most looks of one run; the rest is left to the guard's next tick. */
const mostLooks = 12
/** How long a run waits for hand-overs by other instances, ms: a stop seldom takes longer. */
const patience = 2000

/**
 * @returns the sentence of what was done; null when another handler is at it and will see our mark
 * @throws Temporary when a look or a step fails; Permanent when the definition or the settings are wrong, but only after
 * the work was done by the last good ones
 */
export async function reconcile(run: Run): Promise<string | null> {
  if (hasLeft(run.files)) return 'it has left; reload the agent to let it in again'
  enterState(run.files, run.instance, run.service)
  let done: string | null = null
  let problem: string | null = null
  let asked: string | null = null
  const until = bootClock() + patience
  const alone = await asOnlyHandler(run.files.directory, async () => {
    if (hasLeft(run.files)) return
    endRest(run.files)
    await renewFirst(run)
    if (hasStandIn(run.files)) await endStandIn(run)
    if (existsSync(run.files.worker.report)) await drainIfClosed(run)
    for (let looks = 0; looks < mostLooks; looks++) {
      const before = await keysIndex(run.consul, run.service)
      const seen = await look(run)
      const { snapshot } = seen
      if (snapshot.definition.role === 'observer') throw new Permanent(observesWords(run))
      const { placed } = await assigned(snapshot)
      const next = plan(snapshot, placed)
      const { steps } = next
      problem = seen.problem
      rememberLook(run, snapshot, next)
      if (snapshot.definition.assign !== undefined) await tellScheduler(run, snapshot)
      if (snapshot.definition.render !== undefined) asked = await renderBeside(run, snapshot, placed, asked)
      if (snapshot.fallenEpoch !== null) await raiseEpoch(run, snapshot)
      if (snapshot.free.size > 0 && mayPowerOff()) await powerBeside(run, snapshot)
      if (steps.length > 0) await carryOut(run, snapshot, steps)
      const restarts = snapshot.documentsIndex !== null && (await passOnDocuments(run, snapshot))
      const areTold = !wantsEvents(snapshot) || (await tellHooks(run, snapshot, steps))
      await writeReport(run, snapshot, next, ownTroubles(run.files, snapshot, seen.definitionProblem))
      if (steps.length === 0 && !restarts) {
        if (next.incoming > 0 && (await awaitRelease(run, snapshot, until))) continue
        if (problem === null && areTold && mayRest(run, snapshot, next)) rest(run, before, snapshot)
        return
      }
      done = done === null ? next.sentence : `${done}; ${next.sentence}`
      if (!restarts && isCrowd(run.files) && hasOnlyGiven(next)) return
    }
  })
  if (done !== null) await attendAfterwards(run)
  if (problem) throw new Permanent(problem)
  return alone ? (done ?? 'nothing to do') : null
}

/**
 * Nothing is claimed while the lease does not run. Consul starts a newcomer's first guard up to an interval late, so the same
 * proof is made here. The session shows whether the guard works: Consul refuses one while the guard's check is critical.
 */
async function renewFirst(run: Run): Promise<void> {
  const now = bootClock()
  const t0 = instanceLease(run.files, now)
  const lease = definitionInForce(run.files)?.definition.leaseMs ?? 0
  if (t0 === null || t0 + lease <= now) await renew(run, localFacts(run.files, t0, now), now)
}

/** Consul answers: nothing is started beside what stood in for it. @throws StopFailed when that does not end */
async function endStandIn({ files, log }: Run): Promise<void> {
  const stand = await import('./process/stand-in.ts')
  await stand.endStandIn(files)
  log('ended the stand-in: Consul answers')
}

/** A drain that cannot be written must not keep this instance from stopping processes or reclaiming its own locks. */
async function drainIfClosed(run: Run): Promise<void> {
  const { drainClosed } = await import('./act/drain-closed.ts')
  await drainClosed(run).catch(error => run.log(`cannot drain for its worker, which has closed: ${reason(error)}`))
}

/** A scheduler that cannot be started now is started by the guard: it must keep nobody from working. */
async function tellScheduler(run: Run, snapshot: Snapshot): Promise<void> {
  const { noteForScheduler } = await import('./act/for-scheduler.ts')
  try {
    noteForScheduler(run, snapshot)
  } catch (error) {
    run.log(`scheduler: ${reason(error)}`)
  }
}

/** A program that cannot be started must keep nobody from working: the takeover wait goes on all the same. */
async function powerBeside(run: Run, snapshot: Snapshot): Promise<void> {
  const { startPower } = await import('./act/power-beside.ts')
  try {
    startPower(run, snapshot)
  } catch (error) {
    run.log(`power: ${reason(error)}`)
  }
}

/** An instance that saw a higher epoch puts it back. A failure of that must not stop other work. */
async function raiseEpoch(run: Run, { keys, settings: { epoch }, fallenEpoch }: Snapshot): Promise<void> {
  const said = `the epoch in ${keys.settings} fell from ${epoch} to ${fallenEpoch}`
  try {
    if (await restoreEpoch(run.consul, keys, epoch)) run.log(`${said}: put back, since tokens must go on growing`)
  } catch (error) {
    run.log(`${said}, and is not put back: ${reason(error)}`)
  }
}

/** Registers started processes and runs their hooks at once, instead of after the guard's next tick. */
async function attendAfterwards(run: Run): Promise<void> {
  if (readFact(run.files.checksDue) === null && readFact(run.files.eventsDue) === null) return
  const { startDetached } = await import('./process/beside.ts')
  startDetached('attend', run)
}

/**
 * Loaded late, since most runs find nothing to do. Disowned locks go first and alone: the takeover wait of others counts from
 * there, and must not begin only after a slow stop.
 */
async function carryOut(run: Run, snapshot: Snapshot, steps: readonly Step[]): Promise<void> {
  const { act } = await import('./act/act.ts')
  const disowned = steps.filter(step => step.do === 'disown')
  await act(run, snapshot, disowned.length > 0 ? disowned : steps)
}

function observesWords({ instance, definitionFile }: Run): string {
  return `cannot take part as ${instance}: ${definitionFile} is an observer's; run watchbill configure, then consul reload`
}

/** Most services render no files. @returns the mark of what was asked for last */
async function renderBeside(run: Run, snapshot: Snapshot, placed: Assignment, asked: string | null) {
  const { askForRender } = await import('./act/ask-for-render.ts')
  return askForRender(run, snapshot, placed, asked)
}

async function passOnDocuments(run: Run, snapshot: Snapshot): Promise<boolean> {
  const { passOn } = await import('./act/documents.ts')
  return passOn(run, snapshot)
}

function wantsEvents({ definition: { hooks, register, checks } }: Snapshot): boolean {
  return register !== null || checks.length > 0 || Object.keys(hooks).length > 0
}

/** A failure of the hooks must not keep anybody from working. @returns whether all was told */
async function tellHooks(run: Run, snapshot: Snapshot, steps: readonly Step[]): Promise<boolean> {
  const { afterLook } = await import('./act/after-look.ts')
  try {
    await afterLook(run, snapshot, steps)
    return true
  } catch (error) {
    run.log(`hooks: ${reason(error)}`)
    return false
  }
}

/** What was given away is followed up by whoever takes it. Where there are many, this instance sees that at its next look. */
function hasOnlyGiven({ steps, incoming }: Plan): boolean {
  return incoming === 0 && steps.length > 0 && steps.every(step => step.do === 'release')
}

async function awaitRelease(run: Run, snapshot: Snapshot, until: number): Promise<boolean> {
  const { released } = await import('./act/incoming.ts')
  return released(run, snapshot, until)
}

/** @param before the index of the keys, from before the look; null when Consul did not tell it */
function rest(run: Run, before: string | null, { healthIndex, local, now }: Snapshot): void {
  if (before === null) return
  writeRest(run.files, { line: changeLine(run.consul, before, healthIndex), looked: now, local })
}

/** Whether the next look can wait until something has changed: nothing is left to do, and nothing ends by time alone. */
function mayRest({ files }: Run, snapshot: Snapshot, { incoming, queued }: Plan): boolean {
  const { coolDowns, free, stood, leaseRuns, fallenEpoch, now } = snapshot
  const isCalm = incoming === 0 && queued.length === 0 && coolDowns.size + free.size + stood.size === 0
  return isCalm && leaseRuns && fallenEpoch === null && twinSeen(files, now) === 0
}

/** Writes down what the look found, before anything is done: free locks and since when, good settings, the log line. */
function rememberLook(run: Run, snapshot: Snapshot, { steps, waits, sentence }: Plan): void {
  const known = readFree(run.files, bootId(), snapshot.now)
  if (steps.length > 0 || [...waits.keys()].some(id => !known.has(id))) run.log(sentence)
  writeFree(run.files, bootId(), bootClock(), snapshot.free)
  writeStood(run.files, bootId(), snapshot.stood)
  keepIfChanged(run.files.terms, termsText(snapshot.longestTerms))
  keepIfChanged(run.files.seenHeld, seenHeldText(snapshot.seenHeld))
  if (snapshot.settingsProblem === null) keepIfChanged(run.files.settings, JSON.stringify(snapshot.settings))
  keepPlacement(run, snapshot)
  if (snapshot.ownPlan.text !== null) keepIfChanged(run.files.plan, snapshot.ownPlan.text)
  keepIfDue(run, snapshot)
  if (waits.size > 0) writeFact(run.files.due, String(snapshot.now + Math.min(...waits.values())))
  noteLost(run, snapshot)
  keepIfChanged(run.files.members, snapshot.members.map(({ instance }) => instance).join('\n'))
  rememberLooked(run.files, snapshot.now)
}

/** So many instances write down that another one is lost: one of them may be lost too before anybody reads it. */
const tellers = 3

function noteLost({ files, instance }: Run, { lost, members }: Snapshot): void {
  if (lost.size === 0) return
  const before = readFact(files.members)?.split('\n') ?? []
  const here = members.filter(({ absence }) => absence === null).map(one => one.instance)
  if (!here.sort().slice(0, tellers).includes(instance)) return
  const events = [...lost].flatMap(([gone, index]) =>
    before.includes(gone) && gone !== instance
      ? [{ key: `lost.${gone}.${index}`, what: 'lost', instance: gone, index, why: 'its session is gone' }]
      : [],
  )
  noteEvents(files, events)
}

/** The last good rules, for a time when the key is garbled. */
function keepPlacement({ files }: Run, { placement, placementProblem }: Snapshot): void {
  if (placement !== null && placementProblem === null) keepIfChanged(files.placement, placementValue(placement))
}

/** The guard starts a program for it at each tick, as long as this fact exists. */
function keepIfDue({ files }: Run, snapshot: Snapshot): void {
  if (isAnythingDue(rollWork(snapshot))) keepIfChanged(files.rollDue, 'due')
  else removeFact(files.rollDue)
}

function keepIfChanged(file: string, text: string): void {
  if (readFact(file) !== text) writeFact(file, text)
}
