/**
 * What is published of the partitions' health, and what is kept in the state directory: since when each of them is as it is.
 *
 * The file has a line `<boot id> published|pending|refused <boot-clock ms of the last try>`; a line for each partition, by which the
 * tick sees whether anything has changed; an empty line; and again a line for each: when its process was started, and since
 * when it is ready or not, both boot-clock ms, and its restarts.
 */
import { bootId } from '../base/clock.ts'
import { decode } from '../base/names.ts'
import { base64 } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { type HealthRow, healthKey, healthText, mostPublished } from '../keys/health.ts'
import { startMs } from '../machine/identity.ts'
import type { Event } from '../state/events.ts'
import { removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { eventsBetween } from './happened.ts'
import { type Change, type Here, type Known, restartsOf, signatureOf } from './health.ts'

/** What nobody acts upon, such as one more exit in a crash loop, and a failed try, are put off by this time, ms. */
const pause = 10_000
/** The same for what the token may not write. */
const pauseWhenRefused = 60_000

type All = ReadonlyMap<string, Known>

export interface TickTime {
  /** Boot clock, and the guard's interval, ms. */
  readonly now: number
  readonly interval: number
  /** Consul is slow, or the machine is busy: the tick asks nothing more. */
  readonly isLate: boolean
}

/** A change that is to be written down, and, unless it has to wait, published. */
export interface HealthWrite {
  /** What has happened since it was written down last. @param known what is known to have happened */
  readonly events: (known: readonly Event[]) => Event[]
  /** Null when it has to wait. */
  readonly operation: Operation | null
  /** Writes it down as not yet published. @throws Temporary when that fails */
  readonly begin: () => void
  /** As published, or as refused by Consul. @throws the same */
  readonly end: (outcome: 'published' | 'refused') => void
}

/** Null when the change can wait as it is. */
export function healthWrite(
  { service, instance, files }: Self,
  { here, before: text, tellsReady }: Change,
  { now, interval }: TickTime,
): HealthWrite | null {
  const before = parse(text, now)
  const all = new Map(here.map(one => [one.id, knownOf(files, one, before.all.get(one.id), now)]))
  const age = now - before.at
  const waits = age < (before.refused ? pauseWhenRefused : pause) && (before.failed || !isUrgent(before.all, all))
  // A failed try is not repeated at once, but since when they are so counts from now.
  if (waits && !(before.failed && signatureOf(here) !== before.signature)) return null
  let isKept = true
  const begin = () => {
    try {
      keep(files, here, all, waits && before.refused ? 'refused' : 'pending', waits ? before.at : now)
    } catch (error) {
      isKept = false
      // Where nothing can be written down, each tick finds the same difference.
      if (now % pause >= interval) throw error
    }
  }
  const end = (outcome: 'published' | 'refused') => {
    if (all.size > 0 || outcome === 'refused' || !isKept) keep(files, here, all, outcome, now)
    else removeFact(files.health)
  }
  const events = (known: readonly Event[]) => eventsBetween(files, before.all, all, here, tellsReady, known)
  return { events, operation: waits ? null : operation(healthKey(service, instance), all, now), begin, end }
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
  return { ...one, started, since: now, restarts: restartsOf(files, id) }
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
  readonly refused: boolean
}

const never: Before = { all: new Map(), signature: '', at: Number.NEGATIVE_INFINITY, failed: false, refused: false }

/** A file that is torn, or of another boot, counts as none. */
function parse(text: string | null, now: number): Before {
  const [head = '', ...lines] = text?.split('\n') ?? []
  const [boot, outcome, at] = head.split(' ')
  const half = lines.indexOf('')
  if (boot !== bootId() || half < 0 || !(Number(at) <= now)) return never
  const details = lines.slice(half + 1)
  const all = lines.slice(0, half).flatMap((line, place) => knownFrom(line, details[place] ?? '', now))
  if (all.length !== half) return never
  const signature = lines.slice(0, half).join('\n')
  const [failed, refused] = [outcome !== 'published', outcome === 'refused']
  return { all: new Map(all), signature, at: Number(at), failed, refused }
}

function knownFrom(line: string, detail: string, now: number): [string, Known][] {
  const [, name = '', index, process = '', ready] = /^(\S+) (\d+) (-\d*|\d+\.\d+) ([01])$/.exec(line) ?? []
  const [, started, since, restarts] = /^(-|\d+) (\d+) (\d+)$/.exec(detail) ?? []
  const id = decode(name)
  if (id === null || since === undefined || !(Number(since) <= now)) return []
  const times = { started: started === '-' ? null : Number(started), since: Number(since), restarts: Number(restarts) }
  return [[id, { index: Number(index), process, ready: ready === '1', ...times }]]
}
