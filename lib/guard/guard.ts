/**
 * One tick of the guard: renews the lease, kills processes that would outlive it, and starts a reconcile when there is
 * something to do. Its verdict is in Consul's check language.
 */
import { existsSync } from 'node:fs'
import { type Renewal, renew } from '../act/renew.ts'
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { Consul } from '../consul/http.ts'
import { endRest } from '../look/looked.ts'
import type { Beside } from '../process/beside.ts'
import { enterState } from '../state/boot.ts'
import { definitionInForce } from '../state/definition.ts'
import { readFact, removeFact } from '../state/facts.ts'
import { locksOf } from '../state/handler-mark.ts'
import { instanceLease } from '../state/lease.ts'
import { staysOut } from '../state/left.ts'
import { type Local, localFacts } from '../state/local.ts'
import { appendLog } from '../state/log.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { hasStandIn } from '../state/stand-in.ts'
import type { Outcome } from '../state/stuck.ts'
import { capOutputs } from './cap-output.ts'
import { killWhatWouldOutlive, unproved } from './doomed.ts'
import { type Answered, dueOfMember, isAttentionDue, isHourly, reconcileAfter } from './due.ts'
import { tendClock } from './tend-clock.ts'
import { mayLeaveOutLook } from './unchanged.ts'
import { hasVanished } from './vanished.ts'
import { keepsAny, keptAmong, sentenceOf, unanswered, type Verdict } from './verdict.ts'

/** Limits in ms: of one request, and of everything that may wait for Consul. */
export const requestLimit = 1000
export const answerLimit = 1400

/** How long Node may take to start on a busy machine, ms. */
const startUp = 500

/** A tick's verdict, and what is to be started after it. */
export interface Tick extends Verdict {
  /** Which programs, and their arguments beside those of the instance. */
  readonly starts: ReadonlyMap<Beside, readonly string[]>
  /** What the figures are made of; missing when it has left. */
  readonly seen?: Seen
}

/** What a tick saw. */
export interface Seen {
  readonly local: ReadonlyMap<string, Local>
  /** Null when Consul did not answer. */
  readonly renewal: Renewal | null
  /** When Consul had answered, or had not in time; boot clock, ms. */
  readonly answered: number
}

/** One tick. @param interval the guard's, ms */
export async function guard(here: Self, interval: number): Promise<Tick> {
  const out = staysOut(here.files, bootClock())
  if (out === 'left') return { starts: new Map(), code: 0, sentence: 'it has left' }
  enterState(here.files, here.instance, here.service)
  const stuck = await endStuckHandlers(here)
  const t0 = bootClock()
  const local = factsAt(here.files, t0)
  const renewal = await tryToRenew(here, local, t0, interval)
  const seen = { local, renewal: typeof renewal === 'string' ? null : renewal, answered: bootClock() }
  capOutputs(outputsOf(here.files, local), line => appendLog(here.files.log, `${here.instance} guard: ${line}`))
  if (typeof renewal === 'string' && keepsAny(local)) await keepOn(here)
  // Without an answer much time has passed: a shepherd may have died since.
  const unrenewed = typeof renewal === 'string' ? factsAt(here.files, bootClock()) : unproved(local, renewal)
  killWhatWouldOutlive(here.files, unrenewed, nextTick(interval))
  const answered = typeof renewal !== 'string'
  await tendClock(here, { local, unrenewed, answered, next: nextTick(interval) })
  const verdict = typeof renewal === 'string' ? unanswered(here, local, renewal, keptAmong(unrenewed)) : null
  if (verdict !== null) endRest(here.files) // it may be another cluster that answers next
  const starts = new Map<Beside, readonly string[]>()
  const hourly = answered && renewal.member && isHourly(interval)
  if ((await tellHooks(here, local, verdict, interval)) || hourly) starts.set('attend', ['--window', `${interval}ms`])
  const sentence = [verdict?.sentence ?? sentenceOf(here, renewal as Renewal), ...stuck.said].join('; ')
  if (typeof renewal === 'string') {
    const due = await dueWhileCutOff(here, verdict as Verdict, nextTick(interval))
    if (due !== null) starts.set('cut-off', due)
    return { ...(verdict as Verdict), sentence, starts, seen }
  }
  if (existsSync(here.files.unreached)) removeFact(here.files.unreached)
  // A stand-in ends before anything else is started.
  const mustAct = renewal.vanished || stuck.ended || hasStandIn(here.files)
  const after = mustAct ? 0 : await reconcileAfter(here, local, renewal, interval)
  for (const [program, ms] of [['reconcile', after] as const, ...dueOfMember(here.files, renewal, interval)])
    if (ms !== null) starts.set(program, ['--after', String(ms)])
  if (renewal.render) starts.set('rerender', [])
  if (renewal.member && existsSync(here.files.rollDue)) starts.set('rollout', [])
  return { code: 0, sentence, starts, seen }
}

function factsAt(files: InstanceFiles, now: number): Map<string, Local> {
  return localFacts(files, instanceLease(files, now), now)
}

/** Ends handlers that are stopped or stuck: one would keep all others from working, unnoticed. @returns what to say about it */
async function endStuckHandlers({ instance, files }: Self): Promise<Outcome> {
  if (!locksOf(files).some(existsSync) && !existsSync(files.left)) return { ended: false, said: [] }
  const { endStuck } = await import('../state/stuck.ts') // most ticks find no handler at work
  const outcome = await endStuck(files)
  if (outcome.ended) appendLog(files.log, `${instance} guard: ${outcome.said.join('; ')}`)
  return outcome
}

/**
 * A failure of checks or hooks must not cost the session: the next tick tries again.
 * @param verdict null when Consul answered
 * @returns whether any of them are due
 */
async function tellHooks(
  here: Self,
  local: ReadonlyMap<string, Local>,
  verdict: Verdict | null,
  interval: number,
): Promise<boolean> {
  try {
    const definition = definitionInForce(here.files)?.definition
    if (definition && (Object.keys(definition.hooks).length > 0 || readFact(here.files.checksDue) !== null)) {
      const { afterTick } = await import('./after-tick.ts') // most services have neither hooks nor checks
      afterTick(
        here,
        definition,
        local,
        verdict && { over: verdict.code === 2 || verdict.keeps === true, why: verdict.sentence },
      )
    }
    return isAttentionDue(here.files, bootClock() + interval)
  } catch (error) {
    appendLog(here.files.log, `${here.instance} guard: hooks and checks: ${reason(error)}`)
    return false
  }
}

/** The renewal, or why there is none. */
async function tryToRenew(
  here: Self,
  local: ReadonlyMap<string, Local>,
  t0: number,
  interval: number,
): Promise<Answered | string> {
  let consul: Consul | undefined
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>(resolve => {
    timer = setTimeout(resolve, answerLimit, `no answer within ${answerLimit} ms`)
  })
  try {
    consul = new Consul({ limit: requestLimit }) // inside of try: an unreadable token file must not cost the session
    const renewal = await Promise.race([renew({ ...here, consul }, local, t0), late])
    if (typeof renewal === 'string') return renewal
    // The lease is extended: these questions may fail, or be answered too late.
    const decided = [...local.values()].some(({ kept }) => kept) ? decideKept(consul, here, local, renewal, t0) : null
    const vanished = hasVanished(consul, here.service, here.files).catch(() => false)
    const unchanged = mayLeaveOutLook(consul, here, local, interval).catch(() => false)
    const render = mustRender(consul, here).catch(() => false)
    const inTime = async (asked: Promise<boolean>) => (await Promise.race([asked, late])) === true
    if (decided !== null) await inTime(decided)
    const answers = { vanished: await inTime(vanished), unchanged: await inTime(unchanged) }
    return { ...renewal, ...answers, render: await inTime(render) }
  } catch (error) {
    return reason(error)
  } finally {
    clearTimeout(timer)
    consul?.close()
  }
}

/** What goes on while this machine is cut off. A failure must not cost the session: it then ends with its lease. */
async function keepOn({ instance, files }: Self): Promise<void> {
  try {
    const { keepOn } = await import('./kept.ts') // most services keep nothing
    keepOn(files, factsAt(files, bootClock()))
  } catch (error) {
    appendLog(files.log, `${instance} guard: cannot keep processes while cut off: ${reason(error)}`)
  }
}

/** Most definitions say nothing of it. A failure must not cost the verdict: the next tick tries again. */
async function dueWhileCutOff(
  { instance, files }: Self,
  { code }: Verdict,
  next: number,
): Promise<readonly string[] | null> {
  try {
    const definition = definitionInForce(files)?.definition
    const says = typeof definition?.whenIsolated === 'object' || definition?.onBoot !== undefined
    if (definition === undefined || (!says && !hasStandIn(files))) return null
    const { cutOffDue } = await import('./cut-off.ts')
    return await cutOffDue(files, definition, limit => new Consul({ limit }), code === 2, next)
  } catch (error) {
    appendLog(files.log, `${instance} guard: what is due while cut off: ${reason(error)}`)
    return null
  }
}

/** @returns whether all of it is decided */
async function decideKept(
  consul: Consul,
  here: Self,
  local: ReadonlyMap<string, Local>,
  { proved }: Renewal,
  t0: number,
): Promise<boolean> {
  const { rejoin } = await import('./kept.ts')
  return rejoin(consul, here, local, proved, t0).then(
    () => true,
    () => false,
  )
}

/** Most services render no files. */
async function mustRender(consul: Consul, here: Self): Promise<boolean> {
  const render = definitionInForce(here.files)?.definition.render
  if (render === undefined) return false
  const { isRenderDue } = await import('./render-due.ts')
  return isRenderDue(consul, here, render)
}

function outputsOf(files: InstanceFiles, local: ReadonlyMap<string, Local>): string[] {
  return [...[...local.keys()].map(files.partition), files.worker, files.standIn].map(({ output }) => output)
}

/** The latest end of the next tick, boot clock, ms. Consul counts the interval from the end of this one. */
function nextTick(interval: number): number {
  return bootClock() + interval + answerLimit + startUp
}
