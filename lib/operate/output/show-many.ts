/** `watchbill logs` without a partition: all of this machine, or what its handlers did. */
import { setTimeout as delay } from 'node:timers/promises'
import { Permanent } from '../../base/errors.ts'
import { listed } from '../../base/text.ts'
import { printBytes } from '../../program/frame.ts'
import { asJson, inOrder, type Lines, labelled, linesSince, Reader, widthOf } from './many.ts'
import { logsHere, outputsHere, type Source, servicesHere } from './sources.ts'

/** How often files are looked at, and for how many of these looks a list of them counts, ms. */
const every = 250
const looksPerList = 8
/** Of each of several partitions, unless somebody says how many. */
const usual = 10

export interface ShowMany {
  readonly root: string
  /** Null for all. */
  readonly service: string | null
  /** What the handlers did, instead of what processes printed. */
  readonly instance: boolean
  readonly follow: boolean
  /** A line of JSON for each. */
  readonly json: boolean
  /** Only this one, and all of it. */
  readonly only?: Source
  /** So many of the last lines; null for the usual number. */
  readonly count: number | null
  /** ms; null for no limit. */
  readonly since: number | null
}

/** @throws Permanent when there is nothing to show here; Temporary when the state directory cannot be read */
export async function showMany(asked: ShowMany): Promise<void> {
  const list = () => (asked.only ? [asked.only] : (asked.instance ? logsHere : outputsHere)(asked.root, asked.service))
  const sources = list()
  if (sources.length === 0 && !asked.follow) throw nothingHere(asked)
  const readers = new Map(sources.map(source => [source.file, new Reader(source)]))
  if (!printBytes(firstPart([...readers.values()], asked)) || !asked.follow) return
  for (let look = 1; ; look++) {
    await delay(every)
    if (look % looksPerList === 0) addNew(readers, list(), asked)
    for (const reader of readers.values()) {
      const lines = reader.next()
      if (lines.length > 0 && !printBytes(shown(reader.source, lines, widthIn(readers), asked))) return
    }
  }
}

/** Those that are new are shown from their beginning; those that are gone may print a last word. */
function addNew(readers: Map<string, Reader>, sources: readonly Source[], asked: ShowMany): void {
  for (const source of sources) {
    if (readers.has(source.file)) continue
    const reader = new Reader(source)
    readers.set(source.file, reader)
    printBytes(shown(source, reader.first(null), widthIn(readers), asked))
  }
}

function widthIn(readers: ReadonlyMap<string, Reader>): number {
  return widthOf([...readers.values()].map(({ source }) => source))
}

function shown(source: Source, lines: Lines, width: number, { json, instance }: ShowMany): Buffer {
  return json ? asJson(source, lines, instance) : labelled(source.label, lines, width)
}

function firstPart(readers: readonly Reader[], asked: ShowMany): Buffer {
  const { instance, count, since, json, only } = asked
  const width = widthOf(readers.map(({ source }) => source))
  const read = readers.map(reader => ({
    source: reader.source,
    lines: linesSince(reader.first(instance ? null : (count ?? (only ? null : usual))), since, Date.now()),
  }))
  if (!instance) return Buffer.concat(read.map(({ source, lines }) => shown(source, lines, width, asked)))
  // Of several instances as it happened.
  const all = inOrder(read)
  const last = count === null ? all : all.slice(Math.max(0, all.length - count))
  return Buffer.concat(
    last.map(({ source, line }) => (json || readers.length > 1 ? shown(source, [line], width, asked) : plain(line))),
  )
}

function plain(line: Buffer): Buffer {
  return Buffer.concat([line, Buffer.from('\n')])
}

function nothingHere({ root, service, instance }: ShowMany): Permanent {
  const what = instance ? 'instance' : 'partition'
  const whose = service === null ? '' : ` of ${service}`
  const others = service === null ? [] : servicesHere(root)
  const there = others.length === 0 ? '' : `there are ${listed(others)}; `
  return new Permanent(
    `cannot show logs: there is no ${what}${whose} in ${root}; ${there}see watchbill status, and --state`,
  )
}
