/**
 * The events of an instance. Whatever program makes one appends a line to a file (`noteEvents`); the guard's tick takes that
 * file away and writes its lines into a ring of fixed size (`keepEvents`). Only the tick writes the ring, so it needs no lock,
 * and a row needs no new block: it can be written on a full disk. No event is worth a lease or a stop: noting one throws nothing.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { isMoment, randomId } from '../base/clock.ts'
import { digest } from '../base/digest.ts'
import { appendTo } from './append.ts'
import type { InstanceFiles } from './paths.ts'

export interface Event {
  /** Tells it from every other event: one that is noted twice counts once. */
  readonly key: string
  /** Consul's index of the transaction that did it; null when it happened here alone. */
  readonly index: number | null
  /** Epoch ms, by the wall clock of this machine: to show, never to compare. */
  readonly at: number
  /** A word or two, such as `acquired`. */
  readonly what: string
  /** The partitions it is about, as many as there is room for; none for an event of the instance. */
  readonly partitions: readonly string[]
  /** How many more there are. */
  readonly more: number
  /** The other instance that it is about; null for none. */
  readonly instance: string | null
  readonly why: string | null
}

export type Happened = Pick<Event, 'what'> & Partial<Event>

type Files = Pick<InstanceFiles, 'eventSpool' | 'eventRing' | 'directory'>

/** Without a guard nobody takes the lines away: no more than this, bytes. */
const mostNoted = 262_144

/** Call it after what happened is done. Throws nothing. */
export function noteEvents({ eventSpool, directory }: Files, happened: readonly Happened[]): void {
  if (happened.length === 0) return
  try {
    if (!existsSync(directory) || (statSync(eventSpool, { throwIfNoEntry: false })?.size ?? 0) > mostNoted) return
    const stamp = process.hrtime.bigint()
    const lines = happened.map((one, place) => eventText(eventOf(one, `${stamp}.${process.pid}.${place}`)))
    appendTo(eventSpool, `${lines.join('\n')}\n`)
  } catch {
    // A full or read-only disk: the tick sees most of it from the partitions' facts.
  }
}

export function eventOf(happened: Happened, key: string, at = Date.now()): Event {
  const event = { key, index: null, at, partitions: [], more: 0, instance: null, why: null, ...happened }
  return event.key.length > mostKey ? { ...event, key: shortened(event.key) } : event
}

/** Two digests of 32 bits, that keys of the same beginning or end do not share. */
export function shortened(key: string): string {
  return `${digest(key)}${digest([...key].reverse().join(''))}`
}

/** One line of JSON, without what is null or empty. */
export function eventText({ key, index, at, what, partitions, more, instance, why }: Event): string {
  return JSON.stringify({
    ...{ key, ...(index !== null && { index }), at, what },
    ...(partitions.length > 0 && { partitions }),
    ...(more > 0 && { more }),
    ...(instance !== null && { instance }),
    ...(why !== null && { why }),
  })
}

/** Null when it is none. */
export function eventFrom(value: unknown): Event | null {
  if (typeof value !== 'object' || value === null) return null
  const {
    key,
    index = null,
    at,
    what,
    partitions = [],
    more = 0,
    instance = null,
    why = null,
  } = value as Partial<Event>
  const texts = [key, what].every(isText) && [instance, why].every(one => one === null || isText(one))
  const numbers = isMoment(at) && isCount(more) && (index === null || isCount(index))
  if (!texts || !numbers || !Array.isArray(partitions) || !partitions.every(isText)) return null
  return { key, index, at, what, partitions, more, instance, why } as Event
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 1024
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function parseLine(line: string): Event | null {
  try {
    return eventFrom(JSON.parse(line))
  } catch {
    return null
  }
}

/** Rows of the ring, and bytes of each with its newline. The first row says which ring it is. */
export const ringRows = 400
export const ringWidth = 576
export const ringSize = ringWidth * (ringRows + 1)

/** More partitions than this of which the same is told at once are one event. */
const mostAlone = 8
/** Bytes of the names in such an event. */
const mostNames = 210
/** Characters of a key. */
const mostKey = 40

/** The same event of many partitions becomes one. */
export function grouped(events: readonly Event[]): Event[] {
  const groups = Map.groupBy(events, ({ what, index, instance, why, partitions, more }) =>
    partitions.length === 1 && more === 0 ? JSON.stringify([what, index, instance, why]) : Symbol('alone'),
  )
  return [...groups.values()].flatMap(some => {
    const [first] = some
    if (some.length <= mostAlone || first === undefined) return some
    return { ...first, partitions: some.flatMap(({ partitions }) => partitions) }
  })
}

export interface Ring {
  readonly id: string
  /** The number of its last event; 0 for none. */
  readonly last: number
  /** In their order. */
  readonly events: readonly { readonly number: number; readonly event: Event }[]
}

/** Null when there is none; `torn` when something else stands in its place. @throws Node's own errors */
export function readRing({ eventRing }: Pick<Files, 'eventRing'>): Ring | 'torn' | null {
  let descriptor: number
  try {
    descriptor = openSync(eventRing, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    if (code === 'ELOOP') return 'torn'
    throw error
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile() || stat.size !== ringSize) return 'torn'
    return parseRing(readFileSync(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function parseRing(bytes: Buffer): Ring | 'torn' {
  const row = (number: number) => bytes.toString('utf8', number * ringWidth, (number + 1) * ringWidth).trimEnd()
  const head = /^watchbill events 1 ([\w-]{36}) (\d+) (\d+)$/.exec(row(0))
  if (head === null || Number(head[2]) !== ringRows || Number(head[3]) !== ringWidth) return 'torn'
  const found: { number: number; event: Event }[] = []
  for (let place = 1; place <= ringRows; place++) {
    const [, number, json = ''] = /^(\d+) (\{.*\})$/.exec(row(place)) ?? []
    const event = parseLine(json)
    // A row that was written halfway is left out; its place is written again in its turn.
    if (event !== null && Number(number) % ringRows === place - 1) found.push({ number: Number(number), event })
  }
  found.sort((a, b) => a.number - b.number)
  return { id: head[1] as string, last: found.at(-1)?.number ?? 0, events: found }
}

/**
 * Takes what was noted, adds what the tick has seen, and writes into the ring what is not in it yet. A program that is killed
 * in the middle loses nothing: the next one finds the lines again, and knows by their keys which of them it has.
 * @param seen made from the events so far, which may hold the same as the tick has seen
 * @returns the ring as it is then, and whether it was begun anew
 * @throws Node's own errors when nothing can be written
 */
export function keepEvents(
  files: Files,
  seen: (known: readonly Event[]) => readonly Event[],
): { ring: Ring; torn: boolean } {
  const isLeft = existsSync(aside(files)) // by a tick that was killed
  const noted = takeNoted(files)
  const found = readRing(files)
  const before = found === null || found === 'torn' ? makeRing(files) : found
  const known = new Set(before.events.map(({ event }) => event.key))
  const isNew = ({ key }: Event) => !known.has(key) && known.add(key) !== undefined
  const lines = noted.filter(isNew)
  const all = [...before.events.map(({ event }) => event), ...lines]
  const torn = found === 'torn' ? [eventOf({ what: 'events lost', why: 'their file was torn' }, randomId())] : []
  const more = grouped([...torn, ...lines, ...seen(all).filter(isNew)])
  const added = more.map((event, place) => ({ number: before.last + 1 + place, event: fitted(event) }))
  writeRows(files, added)
  rmSync(aside(files), { force: true })
  if (isLeft && existsSync(files.eventSpool)) {
    const { ring, torn } = keepEvents(files, seen)
    return { ring, torn: torn || found === 'torn' }
  }
  const ring = { ...before, last: before.last + added.length, events: [...before.events, ...added].slice(-ringRows) }
  return { ring, torn: found === 'torn' }
}

function aside({ eventSpool }: Files): string {
  return `${eventSpool}.taken`
}

/** What was noted. The file that a killed tick left is read first. */
function takeNoted(files: Files): Event[] {
  const taken = aside(files)
  if (!existsSync(taken)) {
    if (!existsSync(files.eventSpool)) return []
    renameSync(files.eventSpool, taken)
  }
  if (lstatSync(taken).isFile())
    return readFileSync(taken, 'utf8')
      .split('\n')
      .flatMap(line => parseLine(line) ?? [])
  rmSync(taken, { recursive: true, force: true }) // not ours: it would stand in the way for ever
  return []
}

function makeRing({ eventRing }: Files): Ring {
  const fresh = `${eventRing}.new`
  const id = randomId()
  const blank = `${''.padEnd(ringWidth - 1)}\n`
  const head = `${`watchbill events 1 ${id} ${ringRows} ${ringWidth}`.padEnd(ringWidth - 1)}\n`
  try {
    writeFileSync(fresh, head + blank.repeat(ringRows), { mode: 0o600 })
    rmSync(eventRing, { recursive: true, force: true }) // whatever stands there
    renameSync(fresh, eventRing)
  } catch (error) {
    rmSync(fresh, { force: true }) // a part of it would take the room that others need
    throw error
  }
  return { id, last: 0, events: [] }
}

function writeRows({ eventRing }: Files, rows: Ring['events']): void {
  if (rows.length === 0) return
  const descriptor = openSync(eventRing, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    for (const { number, event } of rows.slice(-ringRows)) {
      const row = Buffer.alloc(ringWidth, ' ')
      row.write(`${number} ${eventText(event)}`)
      row.write('\n', ringWidth - 1)
      writeSync(descriptor, row, 0, ringWidth, (1 + (number % ringRows)) * ringWidth)
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Fits into a row: names and words that are too long for it are left out, and names counted. */
function fitted(event: Event): Event {
  const names: string[] = []
  let room = mostNames
  for (const name of event.partitions) {
    room -= sizeOf(JSON.stringify(name)) + 1
    if (room < 0 && names.length > 0) break
    names.push(name)
  }
  const more = event.more + event.partitions.length - names.length
  let fits: Event = { ...event, partitions: names, more }
  for (; !isFitting(fits) && fits.why; fits = { ...fits, why: fits.why.slice(0, -16) || null });
  if (isFitting(fits)) return fits
  const unnamed = { ...fits, partitions: [], more: more + names.length }
  return isFitting(unnamed) ? unnamed : { ...unnamed, instance: null }
}

function isFitting(event: Event): boolean {
  return sizeOf(eventText(event)) <= ringWidth - 12
}

function sizeOf(text: string): number {
  return Buffer.byteLength(text)
}
