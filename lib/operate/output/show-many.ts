/** `watchbill logs` without a partition: all of this machine, or what its handlers did. */
import { setTimeout as delay } from 'node:timers/promises'
import { Permanent } from '../../base/errors.ts'
import { printBytes } from '../../program/frame.ts'
import { inOrder, labelled, linesSince, Reader, widthOf } from './many.ts'
import { logsHere, outputsHere, type Source } from './sources.ts'

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
  /** So many of the last lines; null for the usual number. */
  readonly count: number | null
  /** ms; null for no limit. */
  readonly since: number | null
}

/** @throws Permanent when there is nothing to show here; Temporary when the state directory cannot be read */
export async function showMany(asked: ShowMany): Promise<void> {
  const list = () => (asked.instance ? logsHere : outputsHere)(asked.root, asked.service)
  const sources = list()
  if (sources.length === 0 && !asked.follow) throw nothingHere(asked)
  const readers = new Map(sources.map(source => [source.file, new Reader(source)]))
  if (!printBytes(firstPart([...readers.values()], asked)) || !asked.follow) return
  for (let look = 1; ; look++) {
    await delay(every)
    if (look % looksPerList === 0) addNew(readers, list())
    for (const reader of readers.values()) {
      const lines = reader.next()
      if (lines.length > 0 && !printBytes(labelled(reader.source.label, lines, widthIn(readers)))) return
    }
  }
}

/** Those that are new are shown from their beginning; those that are gone may print a last word. */
function addNew(readers: Map<string, Reader>, sources: readonly Source[]): void {
  for (const source of sources) {
    if (readers.has(source.file)) continue
    const reader = new Reader(source)
    readers.set(source.file, reader)
    printBytes(labelled(source.label, reader.first(null), widthIn(readers)))
  }
}

function widthIn(readers: ReadonlyMap<string, Reader>): number {
  return widthOf([...readers.values()].map(({ source }) => source))
}

function firstPart(readers: readonly Reader[], { instance, count, since }: ShowMany): Buffer {
  const width = widthOf(readers.map(({ source }) => source))
  const read = readers.map(reader => ({
    label: reader.source.label,
    lines: linesSince(reader.first(instance ? null : (count ?? usual)), since, Date.now()),
  }))
  if (!instance) return Buffer.concat(read.map(({ label, lines }) => labelled(label, lines, width)))
  // Of several instances as it happened.
  const all = inOrder(read)
  const last = count === null ? all : all.slice(Math.max(0, all.length - count))
  return Buffer.concat(
    last.map(({ label, line }) => (width > 0 && readers.length > 1 ? labelled(label, [line], width) : plain(line))),
  )
}

function plain(line: Buffer): Buffer {
  return Buffer.concat([line, Buffer.from('\n')])
}

function nothingHere({ root, service, instance }: ShowMany): Permanent {
  const what = instance ? 'instance' : 'partition'
  const whose = service === null ? '' : ` of ${service}`
  return new Permanent(`cannot show logs: there is no ${what}${whose} in ${root}; see watchbill status, and --state`)
}
