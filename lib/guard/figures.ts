/**
 * The figures of a tick: a row for the instance, and one for each partition whose turn it is. This runs when everything
 * else is done and the verdict is printed. Whatever fails here becomes one line in the log, at most every minute.
 */
import { existsSync, rmSync, statSync } from 'node:fs'
import { askedSoFar } from '../base/asked.ts'
import { bootClock, sinceStart, steadyClock } from '../base/clock.ts'
import { digest } from '../base/digest.ts'
import { reason } from '../base/errors.ts'
import { decode, encode } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { startMs } from '../machine/identity.ts'
import { killsIn, nearWhat } from '../machine/near-limit.ts'
import { usageOf } from '../machine/usage.ts'
import { definitionInForce } from '../state/definition.ts'
import type { Happened } from '../state/events.ts'
import { makeDirectory, namesIn, readFact, readLine, readUsual, removeFact, writeFact } from '../state/facts.ts'
import { takeNotes } from '../state/figures/notes.ts'
import { mostKept, ownText, readOwn } from '../state/figures/own.ts'
import { allRows, newestRows, type Row, writeRow } from '../state/figures/ring.ts'
import { instanceRing, ownRing, partitionEvery, partitionRing, ringFiles, workerName } from '../state/figures/rings.ts'
import { sayOnce } from '../state/figures/say-once.ts'
import { isActive, type Local, leaseEnd } from '../state/local.ts'
import { appendLog } from '../state/log.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { hasEnded } from '../state/shepherd-status.ts'
import type { Seen } from './guard.ts'

/** After this time the partitions whose turn it is are left to their next turn, ms. */
const longEnough = 100
/** So late a tick writes no summary: Consul is slow, or the machine is busy, ms since Node's start. */
const tooLate = 700
/** How long the summary may take, ms: the end of Consul's check waits for it. */
const summaryLimit = 300
/** The rings of partitions that are not here any more are kept for this time, ms. */
const kept = 3_600_000

/** @returns whether the log has it: each minute only one thing is said */
type Say = (problem: string) => boolean

/**
 * One tick's figures. Throws nothing.
 * @param interval the guard's, ms
 * @param connect gives a connection to Consul for so many ms: this file is loaded late, and must not load the client again
 */
export async function figuresOfTick(
  here: Self,
  interval: number,
  seen: Seen,
  connect: (limit: number) => Consul,
): Promise<void> {
  const now = bootClock()
  const log = (line: string) => appendLog(here.files.log, `${here.instance} guard: figures: ${line}`)
  const say = (problem: string) => sayOnce(here.files, problem, { now, every: interval }, log)
  try {
    const { files } = here
    if (!existsSync(files.figures)) for (const name of ['partition', 'own']) makeDirectory(`${files.figures}/${name}`)
    const last = lastRow(files, interval, now)
    const since = Math.max(last?.boot ?? 0, now - partitionEvery)
    const killed = partitionRows(here, seen, last === null ? now - interval : since, now, say)
    const row = instanceRow(files, seen, last, now)
    if (writeRow(files.instanceRing, instanceRing(interval), row) === 'anew') say(anew(files.instanceRing))
    if (killed.length > 0) {
      const { noteEvents } = await import('../state/events.ts') // most limits are kept
      noteEvents(files, killed)
    }
    if (isTurn(0, since, now)) await afterRound(here, interval, seen, row, now, connect)
  } catch (error) {
    say(reason(error))
  }
}

function anew(file: string): string {
  return `${file} was torn or not ours, and is begun anew`
}

function lastRow(files: InstanceFiles, interval: number, now: number): Row | null {
  const ring = instanceRing(interval)
  return newestRows(files.instanceRing, ring, now, 8)[0] ?? allRows(files.instanceRing, ring, now).at(-1) ?? null
}

/** Whether a moment that comes back every 30 s lies between two ticks. */
function isTurn(moment: number, since: number, now: number): boolean {
  return Math.floor((now - moment) / partitionEvery) > Math.floor((since - moment) / partitionEvery)
}

/** Each partition has a moment of its own, so that every tick has about as many. */
function momentOf(id: string): number {
  return Number.parseInt(digest(id), 16) % partitionEvery
}

function instanceRow(files: InstanceFiles, seen: Seen, last: Row | null, now: number): Row {
  const { local, renewal, answered } = seen
  const { runs, runsMs, lookBytes } = takeNotes(files)
  const before = (name: string) => last?.figures[name] ?? 0
  const asked = askedSoFar()
  const ends = [...local.values()].map(leaseEnd).filter(end => end > 0)
  const { user, system } = process.cpuUsage()
  const tick = sinceStart()
  const cpu = (user + system) / 1000
  return {
    boot: now,
    at: Date.now() / 1000,
    text: '',
    figures: {
      ...{ tick_ms: tick, tick_cpu_ms: cpu },
      ticks: before('ticks') + 1,
      ticks_ms: before('ticks_ms') + tick,
      ticks_cpu_ms: before('ticks_cpu_ms') + cpu,
      // How near the lease came to its end before this tick extended it.
      ...(ends.length > 0 && { margin_ms: Math.min(...ends) - answered }),
      consul_ms: asked.slowest,
      requests: before('requests') + asked.requests,
      requests_ms: before('requests_ms') + asked.ms,
      partitions: [...local.values()].filter(isActive).length,
      ...(renewal !== null && { proved: renewal.proved.length, lost: renewal.lost.length }),
      lost_all: before('lost_all') + (renewal?.lost.length ?? 0),
      handlers: before('handlers') + runs,
      handlers_ms: before('handlers_ms') + runsMs,
      ...(lookBytes !== undefined && { look_bytes: lookBytes }),
    },
  }
}

/** @returns the kills for memory that are news */
function partitionRows(here: Self, seen: Seen, since: number, now: number, say: Say): Happened[] {
  const { files } = here
  const killed: Happened[] = []
  const begun = steadyClock()
  const attempt = (work: () => void) => {
    try {
      work()
    } catch (error) {
      say(reason(error))
    }
  }
  const write = (name: string, own: PartitionFiles, one: Local, acquired?: number) => {
    attempt(() => partitionRow(here, name, own, one, acquired, now, say))
    if (!existsSync(own.limits)) return
    attempt(() => {
      const kills = tendLimits(own)
      if (kills > 0) killed.push(killedEvent(own === files.worker ? [] : [decode(name) as string], kills))
    })
  }
  let worker: Local | null = null
  for (const [id, one] of seen.local) {
    if (one.home === files.worker.directory) worker = one
    else if (isTurn(momentOf(id), since, now) && isActive(one)) {
      write(encode(id), files.partition(id), one, seen.renewal?.acquired.get(id))
      if (steadyClock() - begun > longEnough) return killed
    }
  }
  if (worker !== null && isTurn(momentOf(workerName), since, now)) write(workerName, files.worker, worker)
  return killed
}

function killedEvent(partitions: readonly string[], kills: number): Happened {
  return { what: 'killed for memory', partitions, why: `${kills === 1 ? 'one' : kills} of its processes` }
}

function partitionRow(
  { files: { figures } }: Self,
  name: string,
  files: PartitionFiles,
  one: Local,
  acquired: number | undefined,
  now: number,
  say: Say,
): void {
  const rings = ringFiles({ figures }, name)
  const times = { boot: now, at: Date.now() / 1000 }
  const row = { ...times, text: '', figures: figuresOf(files, one, acquired, now) }
  if (writeRow(rings.partition, partitionRing, row) === 'anew') say(anew(rings.partition))
  if (one.process === null || !existsSync(files.metrics)) return
  const own = readOwn(files.metrics, one.process, mostKept)
  if (own === null) return
  const bad = own.bad.join(' | ')
  if (bad !== '' && readFact(files.metricsBad) !== bad && say(`in ${files.metrics} cannot be read: ${bad}`))
    writeFact(files.metricsBad, bad)
  const text = ownText(own.samples, ownRing.text as number)
  if (writeRow(rings.own, ownRing, { ...times, figures: {}, text }) === 'anew') say(anew(rings.own))
}

/**
 * Writes down which limits it is near to, and kills for memory that its shepherd does not see: of a child.
 * @returns how many of these are new
 */
function tendLimits(files: PartitionFiles): number {
  const limits = readFact(files.limits) ?? ''
  const was = readFact(files.near)
  const near = nearWhat(limits, was !== null)
  if (near === null) removeFact(files.near)
  else if (near !== was) writeFact(files.near, near)
  const counter = /^oom (\S+)/m.exec(limits)?.[1]
  const kills = counter === undefined ? 0 : killsIn(counter)
  const before = Number(readFact(files.oom)?.split(' ')[0] ?? 0)
  if (kills > before) writeFact(files.oom, `${kills} ${Math.floor(Date.now() / 1000)}`)
  return Math.max(0, kills - before)
}

/** What is known of one partition's process now. */
function figuresOf(files: PartitionFiles, one: Local, acquired: number | undefined, now: number): Row['figures'] {
  const { process, status } = one
  const { cpuMs, memory, files: open, threads, processes } = usageOf(process?.pid ?? null, readUsual(files.group))
  const restarts = numberIn(readLine(files.restarts), /^(\d+)$/)
  const all = {
    ...{ cpu_ms: cpuMs, memory, files: open, threads, processes, restarts, acquired },
    uptime_s: process === null ? undefined : Math.max(0, now - startMs(process)) / 1000,
    exits: restarts === undefined ? undefined : restarts + (process === null && hasEnded(status) ? 1 : 0),
    exit_code: numberIn(readFact(files.exit), /^exit (\d+)/),
    hand_over_ms: numberIn(readFact(files.handOver), /^(\d+)$/),
    takeover_ms: numberIn(readFact(files.takeover), /^(\d+)$/),
  }
  const known = Object.entries(all).filter((pair): pair is [string, number] => pair[1] !== undefined)
  return Object.fromEntries(known)
}

function numberIn(text: string | null, pattern: RegExp): number | undefined {
  const found = pattern.exec(text ?? '')?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Every 30 s: what need not be done in every tick. */
async function afterRound(
  here: Self,
  interval: number,
  seen: Seen,
  row: Row,
  now: number,
  connect: (limit: number) => Consul,
): Promise<void> {
  forgetOld(here.files, seen.local)
  const { metrics } = definitionInForce(here.files)?.definition ?? {}
  if (metrics !== undefined) {
    const { startDetached } = await import('../process/beside.ts') // most services have none
    startDetached('attend', here, '--window', `${interval}ms`)
  }
  const members = readFact(here.files.members)?.split('\n') ?? []
  if (members.length < 2 || seen.renewal === null || sinceStart() > tooLate) return
  const { publish } = await import('./summary.ts') // an instance that is alone has nobody to tell
  const consul = connect(summaryLimit)
  try {
    await publish(consul, here, seen.local, row, now)
  } finally {
    consul.close()
  }
}

function forgetOld(files: InstanceFiles, local: ReadonlyMap<string, Local>): void {
  const known = new Set([...local.keys()].map(encode))
  for (const directory of [`${files.figures}/partition`, `${files.figures}/own`]) {
    for (const name of namesIn(directory)) {
      if (known.has(name) || name === workerName) continue
      const written = statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.mtimeMs ?? 0
      if (Math.abs(Date.now() - written) > kept) rmSync(`${directory}/${name}`, { recursive: true, force: true })
    }
  }
}
