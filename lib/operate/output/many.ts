/** Shows several files as one, each line with where it comes from in front, and goes on as they grow. */
import { statSync } from 'node:fs'
import { printable } from '../../base/printable.ts'
import { type Place, printed, printedSince } from './printed.ts'
import type { Source } from './sources.ts'

const newline = 10
/** The widest label for which all lines begin in one column. */
const widest = 32

/** Whole lines, without their ends. */
export type Lines = readonly Buffer[]

/** A file, and how far it was read. A line that is not ended yet waits for its end. */
export class Reader {
  readonly source: Source
  #place: Place | undefined
  #rest: Buffer = Buffer.alloc(0)
  #stamp = ''

  constructor(source: Source) {
    this.source = source
  }

  /** The last lines; null for all. What stands there without an end is a line too. @throws Temporary */
  first(count: number | null): Lines {
    this.#stamp = stampOf(this.source.file)
    const { bytes, place } = printed(this.source.file, count)
    this.#place = place
    return split(bytes.at(-1) === newline ? bytes : Buffer.concat([bytes, Buffer.from(bytes.length > 0 ? '\n' : '')]))
      .lines
  }

  /** What was printed since. A file that has not changed is not opened. @throws Temporary */
  next(): Lines {
    const stamp = stampOf(this.source.file)
    if (this.#place === undefined || stamp === this.#stamp) return []
    this.#stamp = stamp
    const { bytes, place } = printedSince(this.source.file, this.#place)
    this.#place = place
    const { lines, rest } = split(Buffer.concat([this.#rest, bytes]))
    this.#rest = rest
    return lines
  }
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? '' : `${found.size} ${found.mtimeMs} ${found.ino}`
}

function split(bytes: Buffer): { readonly lines: Buffer[]; readonly rest: Buffer } {
  const lines: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, at))
    from = at + 1
  }
  return { lines, rest: Buffer.from(bytes.subarray(from)) }
}

/** Each line with its label before it. */
export function labelled(label: string, lines: Lines, width: number): Buffer {
  const before = Buffer.from(`${printable(label).padEnd(Math.min(width, widest))}  `)
  const end = Buffer.from('\n')
  return Buffer.concat(lines.flatMap(line => [before, line, end]))
}

/** Each line as JSON. What the handlers did has its time. */
export function asJson({ service, instance, partition }: Source, lines: Lines, hasTimes: boolean): Buffer {
  const json = (line: string) => {
    const at = hasTimes ? /^\S{20,24}Z(?= )/.exec(line)?.[0] : undefined
    const said = at === undefined ? { line } : { at, line: line.slice(at.length + 1) }
    return `${printable(JSON.stringify({ service, instance, ...(partition !== null && { partition }), ...said }))}\n`
  }
  return Buffer.from(lines.map(line => json(line.toString())).join(''))
}

export function widthOf(sources: readonly Source[]): number {
  return Math.max(0, ...sources.map(({ label }) => label.length))
}

/** The time that a line of an instance's log begins with, ms; NaN for one that has none. */
function timeOf(line: Buffer): number {
  return Date.parse(line.toString('latin1', 0, 24))
}

/** From the first line on whose time is within the last `since` ms. */
export function linesSince(lines: Lines, since: number | null, now: number): Lines {
  if (since === null) return lines
  const first = lines.findIndex(line => timeOf(line) >= now - since)
  return first < 0 ? [] : lines.slice(first)
}

/** The lines of several logs in the order of their times; those of one stay in their own. */
export function inOrder(logs: readonly { readonly source: Source; readonly lines: Lines }[]) {
  const all = logs.flatMap(({ source, lines }) => {
    let last = 0
    return lines.map(line => {
      last = Math.max(last, timeOf(line) || last)
      return { source, line, at: last }
    })
  })
  return all.sort((a, b) => a.at - b.at)
}
