/**
 * The tick: renews the lease, looks after what is local, and starts a reconcile when there is something to do. It says
 * how things are in Consul's check language.
 */
import { existsSync } from 'node:fs'
import { mustDrain } from '../act/drain-closed.ts'
import { type Renewal, renew } from '../act/renew.ts'
import { isReportStale } from '../act/report.ts'
import { bootClock, bootId, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { Consul } from '../consul/http.ts'
import { readFree } from '../look/free.ts'
import { signal } from '../machine/identity.ts'
import { membersOf } from '../process/containment/containment.ts'
import { enterState } from '../state/boot.ts'
import { acceptedDefinition, stampOf } from '../state/definition.ts'
import { readFact } from '../state/facts.ts'
import { longestPause } from '../state/fetches.ts'
import { isMarkForgotten, locksOf } from '../state/handler-mark.ts'
import { instanceLease } from '../state/lease.ts'
import { staysOut } from '../state/left.ts'
import { type Local, localFacts } from '../state/local.ts'
import { appendLog } from '../state/log.ts'
import type { InstanceFiles, PartitionFiles } from '../state/paths.ts'
import { withReadiness } from '../state/ready.ts'
import type { Self } from '../state/self.ts'
import type { Outcome } from '../state/stuck.ts'
import { capOutputs } from './cap-output.ts'
import { hasVanished } from './vanished.ts'

/** Limits in ms: of one request, and of everything that may wait for Consul. */
export const requestLimit = 1000
export const answerLimit = 1400

/** Consul's check language: 0 passing, 2 critical (1 would be warning). */
export interface Verdict {
  readonly code: 0 | 2
  readonly sentence: string
}

/** A tick's verdict, and what is to be started after it. */
export interface Tick extends Verdict {
  /** In how many ms a reconcile is due; null for not before the next tick. */
  readonly reconcileAfter: number | null
  /** Checks or hooks are due. */
  readonly mustAttend: boolean
  /** In how many ms the partitions are to be fetched; null for not before the next tick. */
  readonly syncAfter: number | null
}

/** What a Node may take to start on a busy machine, ms. */
const startUp = 500
/** How often every guard has all locks looked at, ms. */
const lookEvery = 10_000
/** By so much checks and hooks are put off at most, ms: see hooks/queue.ts. */
const mostPutOff = 300_000

/** One tick. @param interval the guard's, ms */
export async function guard(here: Self, interval: number): Promise<Tick> {
  const out = staysOut(here.files, bootClock())
  const idle = { reconcileAfter: null, mustAttend: false, syncAfter: null }
  if (out === 'left') return { ...idle, code: 0, sentence: 'it has left' }
  enterState(here.files, here.instance, here.service)
  const stuck = await endStuckHandlers(here)
  const t0 = bootClock()
  const local = localFacts(here.files, instanceLease(here.files, t0), t0)
  const renewal = await tryToRenew(here, local, t0)
  capOutputs(outputsOf(here.files, local), line => appendLog(here.files.log, `${here.instance} guard: ${line}`))
  const verdict = typeof renewal === 'string' ? unanswered(here, local, interval, renewal) : null
  if (typeof renewal !== 'string') killWhatWouldOutlive(here.files, left(local, renewal), nextTick(interval))
  const mustAttend = await tellHooks(here, local, verdict, interval)
  const sentence = [verdict?.sentence ?? sentenceOf(here, renewal as Renewal), ...stuck.said].join('; ')
  if (typeof renewal === 'string') return { ...idle, ...(verdict as Verdict), sentence, mustAttend }
  return {
    code: 0,
    sentence,
    reconcileAfter: renewal.vanished || stuck.ended ? 0 : reconcileAfter(here, local, renewal, interval),
    mustAttend,
    syncAfter: renewal.member ? syncAfter(here.files, interval) : null,
  }
}

/** What would keep all others from working, without anybody's noticing. @returns what is to be said of it */
async function endStuckHandlers({ instance, files }: Self): Promise<Outcome> {
  if (!locksOf(files).some(existsSync) && !existsSync(files.left)) return { ended: false, said: [] }
  const { endStuck } = await import('../state/stuck.ts') // most ticks find no handler at work
  const outcome = await endStuck(files)
  if (outcome.ended) appendLog(files.log, `${instance} guard: ${outcome.said.join('; ')}`)
  return outcome
}

/** Of a set that is fetched. What is written there holds for the definition as it was then. */
function syncAfter(files: InstanceFiles, interval: number): number | null {
  const accepted = acceptedDefinition(files)
  if (!accepted?.definition.source) return null
  const [at = '', stamp] = readFact(files.sourceDue)?.split(/ (.*)/s) ?? []
  const left = stamp === accepted.stamp.trimEnd() ? leftOf(Number(at), longestPause(accepted.definition.source)) : 0
  return left < interval ? left : null
}

/** How long it is to a time that was put off by at most `most` ms. One that lies further ahead is another clock's: it is due. */
function leftOf(at: number, most: number): number {
  const left = at - bootClock()
  return left > 0 && left <= most ? left : 0
}

function sentenceOf({ node }: Self, { proved, lost, unusable, missing, elsewhere }: Renewal): string {
  const why = unusable.length > 0 ? `: the agent refuses the key of ${unusable.slice(0, 5).join(', ')}; see status` : ''
  const held = `${proved.length} locks held${lost.length > 0 ? `, ${lost.length} lost${why}` : ''}`
  if (elsewhere !== undefined) return `configured for ${node}, this is ${elsewhere}; run configure; ${held}`
  return missing === null ? held : `missing permission: ${missing}; ${held}`
}

/**
 * Checks and hooks must not cost the session: what goes wrong with them is the next tick's to mend.
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
    const definition = acceptedDefinition(here.files)?.definition
    if (definition && (Object.keys(definition.hooks).length > 0 || readFact(here.files.checksDue) !== null)) {
      const { afterTick } = await import('./after-tick.ts') // most services have neither hooks nor checks
      afterTick(here, definition, local, verdict && { over: verdict.code === 2, why: verdict.sentence })
    }
    return isAttentionDue(here.files, bootClock() + interval)
  } catch (error) {
    appendLog(here.files.log, `${here.instance} guard: hooks and checks: ${reason(error)}`)
    return false
  }
}

/** A check, or a hook that waits, is due before the next tick; or a drain that a check asked for is over. */
function isAttentionDue(files: InstanceFiles, next: number): boolean {
  const facts = [files.checksDue, files.eventsDue].flatMap(file => readFact(file) ?? [])
  const due = facts.map(Number).filter(Number.isFinite) // it may say `none`
  if (due.some(at => at <= next || leftOf(at, mostPutOff) === 0)) return true
  const [boot, until, begun] = readFact(files.drained)?.split(' ') ?? []
  return boot !== undefined && (boot !== bootId() || Number(until) <= next || Number(begun) > next)
}

/** The renewal, or why there is none. */
async function tryToRenew(
  here: Self,
  local: ReadonlyMap<string, Local>,
  t0: number,
): Promise<(Renewal & { vanished: boolean }) | string> {
  let consul: Consul | undefined
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>(resolve => {
    timer = setTimeout(resolve, answerLimit, `no answer within ${answerLimit} ms`)
  })
  try {
    consul = new Consul({ limit: requestLimit }) // a token file that cannot be read just now must not cost the session
    const renewal = await Promise.race([renew({ ...here, consul }, local, t0), late])
    if (typeof renewal === 'string') return renewal
    // The lease is extended: what is asked now may fail, or come too late.
    const vanished = hasVanished(consul, here.service, here.files).catch(() => false)
    return { ...renewal, vanished: (await Promise.race([vanished, late])) === true }
  } catch (error) {
    return reason(error)
  } finally {
    clearTimeout(timer)
    consul?.close()
  }
}

/**
 * Without an answer: passing while the lease runs (a check that changes freezes a cut-off agent's checks for half a
 * minute, seen on 1.8.7) or while anything is still dying; critical once it is over and everything is seen dead.
 */
function unanswered(here: Self, local: ReadonlyMap<string, Local>, interval: number, why: string): Verdict {
  killWhatWouldOutlive(here.files, local, nextTick(interval))
  const now = bootClock()
  const ends = [...local.values()].map(leaseEnd)
  const definition = acceptedDefinition(here.files)?.definition
  const own = instanceLease(here.files, now)
  if (own !== null && definition) ends.push(own + definition.leaseMs)
  const left = Math.max(0, ...ends) - now
  if (left > 0) return { code: 0, sentence: `${why}; the lease runs another ${seconds(left)}` }
  if (membersOf(everyRunner(here.files, local)).size > 0)
    return { code: 0, sentence: `${why}; the lease is over, stopping` }
  return { code: 2, sentence: `${why}; the lease is over and nothing runs` }
}

/** What is here without a lease that was just proved: a handler may yet take it back, or stop it, or be too late. */
function left(local: ReadonlyMap<string, Local>, { proved }: Renewal): ReadonlyMap<string, Local> {
  const held = new Set(proved)
  const active = ({ acquisition, releasing, process }: Local) => (acquisition ?? releasing ?? process) !== null
  return new Map([...local].filter(([id, one]) => (!held.has(id) || one.aheadOfClock) && active(one)))
}

/** Until when the next tick has surely spoken: Consul counts the interval from the end of this one. Boot clock, ms. */
function nextTick(interval: number): number {
  return bootClock() + interval + answerLimit + startUp
}

function leaseEnd({ proof, terms }: Local): number {
  return proof === null || terms === null ? 0 : proof + terms.lease
}

/**
 * Kills what would live past lease + G before the next tick because nobody else ends it: the processes of a shepherd
 * that is dead or stopped. And whatever lives past it already, whoever its shepherd is: its timers may have stood still
 * while the machine was suspended. What a handler has started since this tick looked is none of these, so they are looked
 * for first, and then once more whether nobody looks after them.
 */
function killWhatWouldOutlive(files: InstanceFiles, local: ReadonlyMap<string, Local>, next: number): void {
  const now = bootClock()
  const isDoomed = (one: Local | undefined): one is Local => {
    if (one === undefined) return false
    const end = leaseEnd(one) + (one.terms?.grace ?? 0)
    // Without a proof the shepherd decides: it reads the lease itself.
    return (leaseEnd(one) > 0 && end + lateness < now) || ((one.shepherd === null || one.stopped) && end < next)
  }
  const doomed = [...local].filter(([, one]) => isDoomed(one))
  if (doomed.length === 0) return
  const runners = new Map(doomed.map(([id, { home }]) => [id, runnerAt(files, id, home)]))
  const members = membersOf([...new Map([...runners.values()].map(one => [one.directory, one])).values()])
  if (members.size === 0) return
  const later = bootClock()
  const fresh = localFacts(files, instanceLease(files, later), later)
  const still = doomed.flatMap(([id]) => fresh.get(id) ?? []).filter(isDoomed)
  const homes = new Set(still.map(({ home }) => home))
  for (const home of homes) for (const process of members.get(home) ?? []) signal(process, 'SIGKILL')
}

/** What a shepherd may be late with its SIGKILL on a busy machine, ms. The takeover wait leaves a second. */
const lateness = 500

/** The files of whoever runs a partition: its own, or the worker's. */
function runnerAt(files: InstanceFiles, id: string, home: string): PartitionFiles {
  const own = files.partition(id)
  return home === own.directory ? own : files.worker
}

function everyRunner(files: InstanceFiles, local: ReadonlyMap<string, Local>): PartitionFiles[] {
  return [...[...local.keys()].map(files.partition), files.worker]
}

/** In how many ms a reconcile is due: 0 for at once, null for not before the next tick. */
function reconcileAfter(
  here: Self,
  local: ReadonlyMap<string, Local>,
  renewal: Renewal,
  interval: number,
): number | null {
  const { files } = here
  if (!renewal.member || renewal.lost.length > 0) return 0
  if ([...local.values()].some(needsWork)) return 0
  const accepted = acceptedDefinition(files)
  if (isMarkForgotten(files.directory) || stampOf(here.definitionFile) !== accepted?.stamp) return 0
  if (existsSync(files.worker.report) && mustDrain(files, here.instance) !== null) return 0
  const [boot, looked] = readFact(files.looked)?.split(' ') ?? []
  const now = bootClock()
  const age = now - Number(looked) // below 0 when the clock began anew
  if (boot !== bootId() || !(age >= 0 && age < lookEvery - interval)) return 0
  if (isReportStale(files, withReadiness(files, local, accepted.definition))) return 0
  return readFree(files, boot, now).size > 0 ? untilDue(files, now, interval) : null
}

/** While something is waited for, a look at every tick; the one that ends the wait comes when it ends. */
function untilDue(files: InstanceFiles, now: number, interval: number): number {
  const left = Number(readFact(files.due) ?? 0) - now
  return left > 0 && left < interval ? left : 0
}

/** Something stands half done, or a process that should run has nobody to look after it. */
function needsWork({ acquisition, releasing, index, restart, shepherd, status, aheadOfClock }: Local): boolean {
  if (releasing !== null || aheadOfClock) return true
  if (acquisition === null) return shepherd !== null
  return index === null || restart || (shepherd === null && !/^(finished|no command)\b/.test(status ?? ''))
}

function outputsOf(files: InstanceFiles, local: ReadonlyMap<string, Local>): string[] {
  return [...[...local.keys()].map(files.partition), files.worker].map(({ output }) => output)
}
