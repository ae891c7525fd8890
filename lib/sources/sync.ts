/**
 * One round of a source: the instance that holds the duty fetches the set, and writes it into Consul if it can be believed.
 * On any failure the last good set stays in force, and nothing is stopped.
 */

import { createHash } from 'node:crypto'
import { bootClock, seconds } from '../base/clock.ts'
import { Temporary } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { entriesAt, indexBelow } from '../consul/kv.ts'
import { confined } from '../definition/confine.ts'
import type { Source } from '../definition/definition.ts'
import { inheritedEnvironment } from '../definition/environment.ts'
import { tellSourceFailed } from '../hooks/instance.ts'
import { type Duty, isDefinitionsLoss, leaveDuty, type Standing, takeDuty, updateDuty } from '../keys/duty.ts'
import { isLeftOut } from '../keys/new-ids.ts'
import { readPartitions } from '../keys/partition-set.ts'
import { changeSettings, defaults, settingsFrom, withDrain } from '../keys/settings.ts'
import { refusal as refusedHere } from '../state/bounded.ts'
import { definitionInForce, type InForce } from '../state/definition.ts'
import { makeDirectory, readFact } from '../state/facts.ts'
import { atWork, type FetchState, fetchState, keepFetchState, longestRetry, putOff, seldom } from '../state/fetches.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { leftToOther } from '../state/handler-mark.ts'
import type { Run } from '../state/self.ts'
import { refusal } from './accept.ts'
import { changeOf, ownOf } from './change.ts'
import { fetchSource, unfetched } from './fetch/fetch.ts'
import type { Fetched } from './fetch/kind.ts'
import { type Answer, itemsIn } from './items.ts'
import { putInForce } from './put-in-force.ts'

/** When to try again after a failure that was not the source's, ms. */
const soon = 2000

/** An instance that fetches, because it has the duty. */
interface Fetcher {
  readonly run: Run
  readonly inForce: InForce
  readonly source: Source
  readonly session: string
  readonly standing: Standing & { readonly duty: Duty }
  /** Boot clock, ms. */
  readonly begun: number
}

/**
 * @returns what was done, as a sentence
 * @throws Temporary when Consul is away. A failure of the source is not thrown but written into Consul.
 */
export async function sync(run: Run): Promise<string> {
  const inForce = definitionInForce(run.files)
  const source = inForce?.definition.source ?? null
  if (inForce === null || source === null) return 'nothing to fetch: its partitions stand in its definition'
  makeDirectory(run.files.sourceLock)
  let done = ''
  const alone = await asOnlyHandler(run.files.sourceLock, async () => {
    putOff(run.files, inForce, source.timeoutMs + atWork)
    let next = soon
    try {
      const round = await oneRound(run, inForce, source)
      ;({ next, done } = round)
    } finally {
      putOff(run.files, inForce, next)
    }
  })
  return alone ? done : leftToOther
}

/** What a round did, and after how many ms the next one is due. */
interface Round {
  readonly done: string
  readonly next: number
}

async function oneRound(run: Run, inForce: InForce, source: Source): Promise<Round> {
  const session = readFact(run.files.session)
  if (session === null) return { done: 'nothing is fetched: it does not take part yet', next: soon }
  if (source.onGiveUp === 'drain' && (await isDrained(run))) {
    const left = await leaveDuty(run.consul, keysOf(run.service), session)
    return { done: `it is drained${left ? ': another instance is to fetch' : ''}`, next: longestRetry }
  }
  const standing = await takeDuty(run.consul, keysOf(run.service), run.instance, session)
  const { duty } = standing
  if (duty === null) return { done: `${standing.by} fetches`, next: intervalOf(source) }
  if (standing.count?.by === 'hand')
    return {
      done: `nothing is fetched: people have set ${standing.count.number} partitions, until watchbill scale ${shellWord(run.service)} --reset`,
      next: intervalOf(source),
    }
  const fetcher: Fetcher = { run, inForce, source, session, standing: { ...standing, duty }, begun: bootClock() }
  const name = hash(JSON.stringify(source))
  const isTaken = source.everyMs === null && duty.taken === name && standing.defined
  if (isTaken && standing.request === null)
    return {
      done: 'it was fetched once, and has no interval: watchbill partitions … sync fetches it again',
      next: seldom,
    }
  const state = fetchState(run.files, name)
  try {
    const { done, leftOut } = await fetchAndTake(fetcher, state)
    const since = leftOut === null ? null : duty.problem === leftOut ? duty.since : new Date().toISOString()
    const { trying: _over, ...standing } = duty
    const taken = source.everyMs === null && { taken: name }
    const said = [done, leftOut ?? []].flat().join('; ')
    await report(fetcher, { ...standing, problem: leftOut, since, ...taken }, true, said)
    return { done, next: intervalOf(source) }
  } catch (error) {
    if (error instanceof Unbelievable) return failed(fetcher, state, error)
    throw error
  }
}

interface Taken {
  /** What was changed, as a sentence; null when nothing was. */
  readonly done: string | null
  /** New ids that were left out, in words; null when none were. */
  readonly leftOut: string | null
}

/** @throws Unbelievable when the source is at fault; Temporary when Consul is */
async function fetchAndTake(fetcher: Fetcher, state: FetchState): Promise<Taken & { readonly done: string }> {
  const { run, source, standing } = fetcher
  const index = await indexBelow(run.consul, keysOf(run.service).partitions)
  // Nobody has changed the set since our last fetch, and no request waits for an answer.
  const untouched = standing.request === null && standing.defined && state.answer !== null && state.index === index
  const fetched = await fetch(fetcher, untouched ? state.validator : null)
  if (fetched === null) {
    keepFetchState(run.files, { ...state, failures: 0 })
    return { done: unchanged(fetcher, state), leftOut: state.leftOut ?? null }
  }
  const answer = hash(fetched.text)
  const { done, leftOut } =
    untouched && answer === state.answer
      ? { done: null, leftOut: state.leftOut ?? null }
      : await take(fetcher, read(source, fetched.text), state.answer === null)
  // Our own write has changed the index, so store none: the next round compares the whole set again.
  const last = done === null ? {} : { last: { at: new Date().toISOString(), done } }
  const now = {
    ...state,
    ...last,
    failures: 0,
    answer,
    validator: fetched.validator,
    index: done === null ? index : null,
  }
  keepFetchState(run.files, { ...now, ...(leftOut !== (state.leftOut ?? null) && { leftOut }) })
  if (leftOut !== null && leftOut !== state.leftOut) run.log(leftOut)
  if (done === null) return { done: unchanged(fetcher, state), leftOut }
  run.log(`fetched; ${done}`)
  return { done: `fetched; ${done}`, leftOut }
}

/** If the regular fetch came before the requested one, answer the request with the change that the regular one made. */
function unchanged({ standing }: Fetcher, { last }: FetchState): string {
  if (standing.request === null || last === undefined) return 'fetched; unchanged'
  return `fetched; unchanged since ${last.at} (${last.done})`
}

async function fetch({ run, inForce, source }: Fetcher, validator: string | null): Promise<Fetched | null> {
  const { service, instance, node } = run
  const own = { WATCHBILL_SERVICE: service, WATCHBILL_INSTANCE: instance, WATCHBILL_NODE: node }
  const { definition } = inForce
  const environment = { ...inheritedEnvironment(definition.run), ...own }
  try {
    const why = await refusedHere(run.files.directory, definition)
    if (why !== null) throw unfetched(source.from, why, 'it is tried again')
    const within = (command: readonly string[]) => confined(definition.run, command)
    return await fetchSource(source, { validator, cwd: definition.run.cwd ?? '/', environment, within })
  } catch (error) {
    throw error instanceof Temporary ? new Unbelievable(error) : error
  }
}

function read(source: Source, text: string): Answer {
  try {
    return itemsIn(text, source)
  } catch (error) {
    throw new Unbelievable(unfetched(source.from, error))
  }
}

/** @param first whether this instance has never put an answer of this source in force */
async function take({ run, source, session, standing }: Fetcher, answer: Answer, first: boolean): Promise<Taken> {
  const keys = keysOf(run.service)
  const present = await readPartitions(run.consul, keys)
  const own: ReadonlySet<string> = source.removes === false ? new Set() : ownOf(present, first)
  const defined = present.filter(({ id, from }) => from === 'definition' && own.has(id)).map(({ id }) => id)
  const { request } = standing
  const why = request?.applied ? refusal(answer, own, 1) : refusal(answer, own, source.maxDrop, new Set(defined))
  if (why !== null && !request?.force) {
    const how = isDefinitionsLoss(why) ? 'apply' : 'sync --force'
    const next = `mend it, or take it all the same: watchbill partitions ${shellWord(run.service)} ${how}`
    throw new Unbelievable(unfetched(source.from, `the answer is refused: ${why}`, next), true)
  }
  const change = changeOf(present, own, answer.items)
  if (standing.freeze?.frozen && change.removed.length > 0) {
    const frozen = `it removes ${change.removed.length} partitions, and the service is frozen`
    const next = `it is taken after watchbill thaw ${shellWord(run.service)}`
    throw new Unbelievable(unfetched(source.from, `the answer is refused: ${frozen}`, next), true, false)
  }
  return putInForce(run, keys, session, change, standing.defined)
}

/**
 * After a failure: sets the next try, later each time. Hooks and `status` are told at once when the answer was refused (asking
 * again soon would not help), otherwise after `giveUpAfter` of failures.
 */
async function failed(
  fetcher: Fetcher,
  state: FetchState,
  { message, refused, isFailure }: Unbelievable,
): Promise<Round> {
  const { run, inForce, source, standing, begun } = fetcher
  const { duty, index } = standing
  const now = bootClock()
  const failingSince = state.failures === 0 || state.failingSince > now ? now : state.failingSince
  if (isFailure) keepFetchState(run.files, { ...state, failures: state.failures + 1, failingSince })
  const before = isLeftOut(duty.problem) ? null : duty.problem
  const told = refused || now - failingSince >= source.giveUpAfterMs || before !== null
  if ((isFailure && state.failures === 0) || (told && message !== duty.problem)) run.log(message)
  if (told && before === null) tellSourceFailed(run, inForce.definition, String(index), message)
  if (isFailure && source.onGiveUp === 'drain' && now - failingSince >= source.giveUpAfterMs)
    return gaveUp(fetcher, state, message)
  const since = (before && duty.since) ?? new Date().toISOString()
  // `trying` is written at the first failure, and keeps its first reason: each new wording would be another write.
  const trying = duty.trying ?? { why: message, since: new Date().toISOString() }
  await report(fetcher, { ...duty, trying, ...(told && { problem: message, since }) }, false, message)
  // At the latest one interval after this round's start: a source that hung is asked again as soon as one that refused.
  const latest = Math.max(source.retryMs, (source.everyMs ?? longestRetry) - (bootClock() - begun))
  const next = refused ? intervalOf(source) : source.retryMs * 2 ** state.failures
  return { done: message, next: Math.min(next, latest) }
}

/**
 * Gives up for good (`onGiveUp: "drain"`): tells the others why, drains this instance and leaves the duty to another one,
 * until somebody ends the drain.
 */
async function gaveUp(fetcher: Fetcher, state: FetchState, message: string): Promise<Round> {
  const { run, session, standing } = fetcher
  const { service, instance, consul } = run
  const off = `watchbill drain ${shellWord(service)} ${shellWord(instance)} off`
  const said = `${message}; ${instance} gave up and is drained: ${off} lets it try again`
  await report(fetcher, { ...standing.duty, problem: said, since: new Date().toISOString() }, false, said)
  await changeSettings(consul, keysOf(service), settings => withDrain(settings, instance))
  run.log(`gave up after ${seconds(fetcher.source.giveUpAfterMs)} of failures: drained until ${off}`)
  keepFetchState(run.files, { ...state, failures: 0 })
  await leaveDuty(consul, keysOf(service), session)
  return { done: said, next: longestRetry }
}

async function isDrained({ consul, service, instance }: Run): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keysOf(service).settings])
  return settingsFrom(entry?.value ?? null, defaults).settings.drained.includes(instance)
}

/** Writes the duty key when it changed, or when a request waits for an answer. */
async function report({ run, session, standing }: Fetcher, duty: Duty, ok: boolean, said: string): Promise<void> {
  const { request } = standing
  const { problem, trying, taken } = standing.duty
  const isNews = duty.problem !== problem || duty.trying?.since !== trying?.since || duty.taken !== taken
  if (request === null && !isNews) return
  const answer = request === null ? duty.answer : { request: request.id, ok, said }
  await updateDuty(run.consul, keysOf(run.service), session, { ...duty, answer })
}

/** At most the interval, shortened at random, so that many services do not ask at the same moment. */
function intervalOf({ everyMs, jitterMs }: Source): number {
  return (everyMs ?? seldom) - Math.random() * jitterMs
}

/** A failure of the source, not of Consul. */
class Unbelievable extends Error {
  /** The source answered, and the answer was refused. */
  readonly refused: boolean
  /** Whether the source is at fault: a frozen service is no reason to give up. */
  readonly isFailure: boolean

  constructor({ message }: Error, refused = false, isFailure = true) {
    super(message)
    this.refused = refused
    this.isFailure = isFailure
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
