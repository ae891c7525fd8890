/**
 * What a program says of itself: lines of OpenMetrics, or of Prometheus' text format, in the file $WATCHBILL_METRICS.
 * The program replaces the file (a rename), so a reader sees the old one or the new one.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { bootClock } from '../../base/clock.ts'
import { printable } from '../../base/printable.ts'
import { type Process, startMs } from '../../machine/identity.ts'

/** The most bytes that a program may say; what is longer is not read at all. */
export const mostOwn = 64 * 1024

export interface Sample {
  readonly name: string
  /** The labels as they stand, `topic="a",kind="b"`; '' for none. */
  readonly labels: string
  readonly value: number
}

export interface Family {
  readonly type: string
  readonly help: string
}

export interface Own {
  readonly samples: readonly Sample[]
  /** By the name of the metric: what its TYPE and HELP lines say. */
  readonly families: ReadonlyMap<string, Partial<Family>>
  /** The lines that could not be read, the first few. */
  readonly bad: readonly string[]
}

const nothing: Own = { samples: [], families: new Map(), bad: [] }
/** So many bad lines are named. */
const mostBad = 3

/** One label. Its value escapes a backslash, a quote and a line feed, and nothing else. */
const label = '[a-zA-Z_]\\w* *= *"[^"\\\\]*(?:\\\\["\\\\n][^"\\\\]*)*"'
// The guard's tick waits for these patterns, so no line may take them long: each text matches in one way only.
const sampleLine = new RegExp(
  `^([a-zA-Z_:][\\w:]*)(?:\\{ *((?:${label}(?: *, *${label})*)?(?: *,)? *)\\})? +(\\S+)(?: +-?[\\d.eE+-]+)?(?: +#.*)?$`,
)
const oneLabel = /([a-zA-Z_]\w*) *= *"([^"\\]*(?:\\["\\n][^"\\]*)*)"/g

const words = new Map([...['+inf', 'inf'].map(word => [word, Infinity] as const), ['-inf', -Infinity], ['nan', NaN]])

/** @param most stops after so many samples */
export function parseOwn(text: string, most = Infinity): Own {
  const samples: Sample[] = []
  const families = new Map<string, Partial<Family>>()
  const bad: string[] = []
  for (const raw of text.split('\n')) {
    const line = raw.replaceAll('\t', ' ').trimEnd()
    if (line === '' || samples.length >= most) continue
    // What would act on a terminal: `metrics` prints it as it is.
    if (printable(line) !== line) bad.push(line.slice(0, 100))
    else if (line.startsWith('#')) describe(line, families)
    else {
      const [, name = '', labels = '', number = ''] = sampleLine.exec(line) ?? []
      const value = numberFrom(number)
      // Ours would look like watchbill's own.
      if (name === '' || value === null || name.startsWith('watchbill_') || !areLabels(labels)) {
        bad.push(line.slice(0, 100))
      } else samples.push({ name, labels: withoutComma(labels.trim()), value })
    }
  }
  return { samples, families, bad: bad.slice(0, mostBad) }
}

function withoutComma(labels: string): string {
  return labels.endsWith(',') ? labels.slice(0, -1).trimEnd() : labels
}

function numberFrom(text: string): number | null {
  return words.get(text.toLowerCase()) ?? (/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : null)
}

/**
 * Whether Prometheus and node_exporter read them: for one line that they refuse, they refuse the whole page. A name comes
 * once, `__…` is Prometheus' own, and the bound of a bucket and a quantile are numbers.
 */
function areLabels(labels: string): boolean {
  const all = labelsIn(labels)
  const isNumber = ([name, value]: readonly [string, string]) =>
    (name !== 'le' && name !== 'quantile') || numberFrom(value) !== null
  return (
    new Set(all.map(([name]) => name)).size === all.length &&
    all.every(one => !one[0].startsWith('__') && isNumber(one))
  )
}

/** The labels of a sample, with their values as the program means them. */
export function labelsIn(labels: string): [name: string, value: string][] {
  const plain = (value: string) => value.replace(/\\(.)/g, (_, what) => (what === 'n' ? '\n' : what))
  return [...labels.matchAll(oneLabel)].map(([, name = '', value = '']) => [name, plain(value)])
}

function describe(line: string, families: Map<string, Partial<Family>>): void {
  const [, what, name = '', rest = ''] = /^# (TYPE|HELP) (\S+) ?(.*)$/.exec(line) ?? []
  if (what === undefined || !/^[a-zA-Z_:][\w:]*$/.test(name)) return
  families.set(name, { ...families.get(name), ...(what === 'TYPE' ? { type: rest } : { help: rest }) })
}

/** By how much the time of a file and the start of a process may seem to differ: both are rounded, ms. */
const rounding = 100

/**
 * @param process the program that runs: what one before it has left says nothing about it
 * @returns null when it has written none @throws Node's own errors
 */
export function readOwn(file: string, process: Process, most?: number): Own | null {
  let descriptor: number
  try {
    // A pipe would block, and a link lead elsewhere: the program writes here, and another user's may have.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    if (code === 'ELOOP' || code === 'ENXIO') return { ...nothing, bad: ['it is no file'] }
    throw error
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) return { ...nothing, bad: ['it is no file'] }
    // Two ages, since the wall clock may have been set. The change time: a program may give the file any other time.
    if (Date.now() - stat.ctimeMs > bootClock() - startMs(process) + rounding) return null
    if (stat.size > mostOwn) return { ...nothing, bad: [`it has ${stat.size} bytes, and may have ${mostOwn}`] }
    const bytes = Buffer.allocUnsafe(stat.size)
    return parseOwn(bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, 0)), most)
  } finally {
    closeSync(descriptor)
  }
}

/** The name by which a definition and a ring know a sample. */
export function keyOf({ name, labels }: Pick<Sample, 'name' | 'labels'>): string {
  return labels === '' ? name : `${name}{${labels}}`
}

/** So many samples are kept for an hour; the file holds them all. */
export const mostKept = 8

/** The samples as a row holds them, as many as there is room for. */
export function ownText(samples: readonly Sample[], room: number): string {
  let text = ''
  for (const sample of samples.slice(0, mostKept)) {
    const key = keyOf(sample).replace(/[^!-~]|%/g, character => encodeURIComponent(character.toWellFormed()))
    const more = `${text === '' ? '' : ' '}${key}=${sample.value}`
    if (text.length + more.length <= room) text += more
  }
  return text
}

/** The samples of such a row, by their keys. */
export function ownFrom(text: string): Record<string, number> {
  const pairs = text.split(' ').flatMap(word => {
    const equals = word.lastIndexOf('=')
    const value = Number(word.slice(equals + 1))
    try {
      return equals > 0 && !Number.isNaN(value) ? [[decodeURIComponent(word.slice(0, equals)), value] as const] : []
    } catch {
      return [] // garbled
    }
  })
  return Object.fromEntries(pairs)
}
