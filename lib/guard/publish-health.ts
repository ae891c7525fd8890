/**
 * Publishes the health of this instance's partitions, and keeps in the state directory since when each of them is as it is.
 *
 * The file has a line `<boot id> published|pending <boot-clock ms of the last try>`; a line for each partition, by which the
 * tick sees whether anything has changed; an empty line; and again a line for each: when its process was started, and since
 * when it is ready or not, both boot-clock ms, and its restarts.
 */
import { bootId } from '../base/clock.ts'
import { decode } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { type HealthRow, healthKey, healthText, mostPublished } from '../keys/health.ts'
import { startMs } from '../machine/identity.ts'
import { readLine, removeFact, writeFact } from '../state/facts.ts'
import { runnerOf } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { type Change, type Here, signatureOf } from './health.ts'

/** What nobody acts upon, such as one more exit in a crash loop, and a failed try, are put off by this time, ms. */
const pause = 10_000
/** How long it may take, ms: the end of Consul's check waits for it. */
const limit = 300

/** What is known of one partition. */
interface Known {
  readonly index: number
  readonly process: string
  readonly ready: boolean
  /** Boot clock, ms; null when no process runs. */
  readonly started: number | null
  readonly since: number
  readonly restarts: number
}

type All = ReadonlyMap<string, Known>

export interface TickTime {
  /** Boot clock, and the guard's interval, ms. */
  readonly now: number
  readonly interval: number
  /** Consul is slow, or the machine is busy: the tick asks nothing more. */
  readonly isLate: boolean
}

/** @throws Temporary, Denied when the disk or Consul does not take it @param connect gives a connection to Consul for so many ms */
export async function publishHealth(
  { service, instance, files }: Self,
  { here, before: text }: Change,
  { now, interval, isLate }: TickTime,
  connect: (limit: number) => Consul,
): Promise<void> {
  const before = parse(text, now)
  const all = new Map(here.map(one => [one.id, knownOf(files, one, before.all.get(one.id), now)]))
  const age = now - before.at
  if (age < pause && (before.failed || !isUrgent(before.all, all))) {
    // A failed try is not repeated at once, but since when they are so counts from now.
    if (before.failed && signatureOf(here) !== before.signature) keep(files, here, all, 'pending', before.at)
    return
  }
  if (isLate) return
  const unkept = failure(() => keep(files, here, all, 'pending', now))
  // Where nothing can be written down, each tick finds the same difference.
  if (unkept !== null && now % pause >= interval) throw unkept
  const consul = connect(limit)
  try {
    await transact(consul, [operation(healthKey(service, instance), all, now)])
  } finally {
    consul.close()
  }
  if (unkept !== null) throw unkept
  if (all.size > 0) keep(files, here, all, 'published', now)
  else removeFact(files.health)
}

function failure(work: () => void): unknown {
  try {
    work()
    return null
  } catch (error) {
    return error
  }
}

function operation(Key: string, all: All, now: number): Operation {
  if (all.size === 0) return { Verb: 'delete', Key }
  const rows = [...all].slice(0, mostPublished).map(([id, one]) => [id, rowOf(one, now)] as const)
  const value = { at: new Date().toISOString(), partitions: new Map(rows), leftOut: all.size - rows.length }
  return { Verb: 'set', Key, Value: base64(healthText(value)) }
}

function rowOf({ index, started, ready, since, restarts }: Known, now: number): HealthRow {
  const age = (from: number) => Math.max(0, now - from)
  return { index, startedFor: started === null ? null : age(started), readyFor: ready ? age(since) : null, restarts }
}

/** The same process that is ready as before stays so since then. Everything else counts from now, which is never too early. */
function knownOf(files: InstanceFiles, { id, local, ...one }: Here, before: Known | undefined, now: number): Known {
  const same = before?.index === one.index && before.process === one.process
  if (same && before.ready === one.ready) return before
  if (same) return { ...before, ready: one.ready, since: now }
  const { process, home } = local
  // The one process for all may have run for long before it got this partition.
  const started = process === null ? null : home === files.worker.directory ? now : startMs(process)
  const restarts = Number(readLine(runnerOf(files.partition(id)).restarts) ?? 0)
  return { ...one, started, since: now, restarts: Number.isSafeInteger(restarts) ? restarts : 0 }
}

/** Whether somebody may act upon the difference: a holder, or whether it is ready and since when. */
function isUrgent(before: All, after: All): boolean {
  if (before.size !== after.size) return true
  return [...after].some(([id, one]) => {
    const was = before.get(id)
    return was?.index !== one.index || was.ready !== one.ready || (one.ready && was.since !== one.since)
  })
}

function keep(files: InstanceFiles, here: readonly Here[], all: All, outcome: string, at: number): void {
  const details = [...all.values()].map(({ started, since, restarts }) => `${started ?? '-'} ${since} ${restarts}`)
  writeFact(files.health, `${bootId()} ${outcome} ${at}\n${signatureOf(here)}\n\n${details.join('\n')}`)
}

interface Before {
  readonly all: All
  readonly signature: string
  /** The last try, boot clock, ms; long ago when there was none, or it is of another boot. */
  readonly at: number
  readonly failed: boolean
}

const never: Before = { all: new Map(), signature: '', at: Number.NEGATIVE_INFINITY, failed: false }

/** A file that is torn, or of another boot, counts as none. */
function parse(text: string | null, now: number): Before {
  const [head = '', ...lines] = text?.split('\n') ?? []
  const [boot, outcome, at] = head.split(' ')
  const half = lines.indexOf('')
  if (boot !== bootId() || half < 0 || !(Number(at) <= now)) return never
  const details = lines.slice(half + 1)
  const all = lines.slice(0, half).flatMap((line, place) => knownFrom(line, details[place] ?? '', now))
  if (all.length !== half) return never
  return {
    all: new Map(all),
    signature: lines.slice(0, half).join('\n'),
    at: Number(at),
    failed: outcome === 'pending',
  }
}

function knownFrom(line: string, detail: string, now: number): [string, Known][] {
  const [, name = '', index, process = '', ready] = /^(\S+) (\d+) (-|\d+\.\d+) ([01])$/.exec(line) ?? []
  const [, started, since, restarts] = /^(-|\d+) (\d+) (\d+)$/.exec(detail) ?? []
  const id = decode(name)
  if (id === null || since === undefined || !(Number(since) <= now)) return []
  const times = { started: started === '-' ? null : Number(started), since: Number(since), restarts: Number(restarts) }
  return [[id, { index: Number(index), process, ready: ready === '1', ...times }]]
}
