/**
 * Judges who ran which partition when, from the workers' heartbeats alone, without Consul or watchbill. Times are
 * boot-clock ms. A process owns its partition from its first to its last beat, also while it is frozen in between.
 */
import { readFile } from 'node:fs/promises'

/** The interval between two beats, ms; a single beat counts as this long. */
export const beatMs = 50

export interface Beat {
  at: number
  instance: string
  pid: number
  partition: string
  /** The fencing token that the process was given; '-' for none. */
  token: string
  /** The last beat of a process that was told to stop. */
  stop: boolean
  /** A store that checks fencing tokens refused the write: see test/faults/worker.pl. */
  refused?: boolean
}

/** One process and the time it owned its partition. */
export interface Run {
  partition: string
  instance: string
  pid: number
  token: string
  from: number
  to: number
  stopped: boolean
}

export interface Span {
  from: number
  to: number
}

export async function readBeats(file: string): Promise<Beat[]> {
  return parseBeats(await readFile(file, 'utf8'))
}

/**
 * The beats in the order of the file. Text after the last newline is a line still being written, and is left out.
 * @throws Error for any other line that is no beat: evidence with holes proves nothing
 */
export function parseBeats(text: string): Beat[] {
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line, i) => {
    const beat = parseBeat(line)
    if (beat) return beat
    throw new Error(`line ${i + 1} of the beats is no beat: ${JSON.stringify(line)}`)
  })
}

function parseBeat(line: string): Beat | null {
  const match = /^(\d+)\t([^\t]+)\t(\d+)\t([^\t]+)\t([^\t]+)(?:\t(stop|refused))?$/.exec(line)
  if (!match) return null
  const [, at, instance = '', pid, partition = '', token = '', word] = match
  const refused = word === 'refused' && { refused: true }
  return { at: Number(at), instance, pid: Number(pid), partition, token, stop: word === 'stop', ...refused }
}

/** A key that identifies a process. */
export function processOf({ instance, pid, partition, token }: Beat): string {
  return [instance, pid, partition, token].join('\t')
}

/** One run per process, in the order in which they first beat; one per key, where other keys are given. */
export function runs(beats: Beat[], keyOf: (beat: Beat) => string = processOf): Run[] {
  return Array.from(Map.groupBy(beats, keyOf).values(), run).sort((a, b) => a.from - b.from)
}

function run(beats: Beat[]): Run {
  const { partition, instance, pid, token, at } = beats[0] as Beat
  const last = beats.at(-1) as Beat
  const to = beats.length === 1 ? at + beatMs : last.at
  return { partition, instance, pid, token, from: at, to, stopped: last.stop }
}

export interface Overlap extends Span {
  partition: string
  runs: [Run, Run]
}

/** Every time at which two processes had the same partition, one entry for each pair. */
export function overlaps(beats: Beat[], all: Run[] = runs(beats)): Overlap[] {
  const byPartition = Map.groupBy(all, ({ partition }) => partition)
  return Array.from(byPartition.values())
    .flatMap(pairs)
    .filter(({ from, to }) => to > from)
}

function pairs(runs: Run[]): Overlap[] {
  return runs.flatMap((a, i) =>
    runs.slice(i + 1).map(b => {
      const span = { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) }
      return { partition: a.partition, runs: [a, b] as [Run, Run], ...span }
    }),
  )
}

/** The sum of all overlaps, in seconds: 0 is the promise. */
export function overlapSeconds(beats: Beat[]): number {
  return overlaps(beats).reduce((sum, { from, to }) => sum + to - from, 0) / 1000
}

/**
 * The times without an owner, in order. At the ends of the span two missed beats are allowed; a partition that never
 * beat is one gap as long as the span. The span is from the first beat of the whole file to the last, unless given.
 */
export function gaps(
  beats: Beat[],
  partition: string,
  span: Span | null = wholeSpan(beats),
  all: Run[] = runs(beats),
): Span[] {
  if (!span) return []
  const found: Span[] = []
  let owned = span.from
  for (const { from, to } of all.filter(run => run.partition === partition)) {
    const gap = { from: owned, to: Math.min(from, span.to) }
    if (gap.to - gap.from > (owned === span.from ? 2 * beatMs : 0)) found.push(gap)
    owned = Math.max(owned, to)
  }
  return span.to - owned > 2 * beatMs ? [...found, { from: owned, to: span.to }] : found
}

/** From the first beat to the last; null when there is none. */
export function wholeSpan(beats: Beat[]): Span | null {
  const times = beats.map(({ at }) => at)
  if (times.length === 0) return null
  return { from: times.reduce((a, b) => Math.min(a, b)), to: times.reduce((a, b) => Math.max(a, b)) }
}

/** The longest time that a partition was without an owner, in seconds; 0 when it never was. */
export function longestGap(beats: Beat[], partition: string, span?: Span | null): number {
  return gaps(beats, partition, span).reduce((longest, { from, to }) => Math.max(longest, to - from), 0) / 1000
}

export interface Move {
  partition: string
  at: number
  from: string
  to: string
}

/** Every change of instance, in order. A process that is restarted where it was has not moved. */
export function moves(beats: Beat[]): Move[] {
  const before = new Map<string, string>()
  return runs(beats).flatMap(({ partition, instance, from: at }) => {
    const from = before.get(partition)
    before.set(partition, instance)
    return from === undefined || from === instance ? [] : [{ partition, at, from, to: instance }]
  })
}

/** How late the next beat of a running process may be on a busy machine, ms. */
const late = 500

/**
 * Which instance owns each partition of the file at a time, or at its end; null for one that nobody owns then. If two
 * do, it is the one that began later: overlaps() tells of the other.
 */
export function owners(beats: Beat[], at: number = wholeSpan(beats)?.to ?? 0): Map<string, string | null> {
  const found = new Map<string, string | null>()
  for (const { partition, instance, from, to, stopped } of runs(beats)) {
    const owns = from <= at && (stopped ? at < to : at <= to + late)
    if (owns || !found.has(partition)) found.set(partition, owns ? instance : null)
  }
  return found
}

export interface StepBack {
  partition: string
  at: number
  instance: string
  newest: string
  token: string
}

/** Processes that beat with an older token after one with a newer token had: each process once. */
export function stepsBack(beats: Beat[]): StepBack[] {
  const newest = new Map<string, string>()
  const found = new Map<string, StepBack>()
  for (const { partition, at, instance, pid, token } of beats) {
    const known = newest.get(partition) ?? token
    const back = compareTokens(token, known) < 0
    const process = [partition, instance, pid, token].join('\t')
    if (back && !found.has(process)) found.set(process, { partition, at, instance, newest: known, token })
    if (!back) newest.set(partition, token)
  }
  return [...found.values()]
}

/** Compares tokens as numbers, aligned at the right: a token may have an epoch before the index, and exceed 2^53. */
export function compareTokens(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)]
  const length = Math.max(left.length, right.length)
  for (let i = length; i > 0; i--) {
    const [l = 0n, r = 0n] = [left[left.length - i], right[right.length - i]]
    if (l !== r) return l < r ? -1 : 1
  }
  return 0
}

function numbers(token: string): bigint[] {
  return (token.match(/\d+/g) ?? []).map(BigInt)
}

/**
 * What is wrong with the beats, one sentence each; empty when every one of `partitions` is owned at the end, and only
 * those, none ever had two owners, and no token went back. Gaps are not judged: each test has its own limit for them.
 */
export function faults(beats: Beat[], partitions: string[]): string[] {
  return [...overlaps(beats).map(describeOverlap), ...disorder(beats, partitions)]
}

/** The same, but for two owners. @param regular the beats whose tokens must not go back, where that is not all of them */
export function disorder(beats: Beat[], partitions: readonly string[], regular = beats): string[] {
  const final = owners(beats)
  return [
    ...partitions.filter(name => !final.get(name)).map(name => `${name} has no owner at the end`),
    ...[...final].filter(([name, owner]) => owner && !partitions.includes(name)).map(describeIntruder),
    ...stepsBack(regular).map(describeStepBack),
  ]
}

export function describeOverlap({ partition, from, to, runs: [a, b] }: Overlap): string {
  return `${partition} had two owners for ${to - from} ms from ${from} on: ${a.instance} (pid ${a.pid}) and ${b.instance} (pid ${b.pid})`
}

function describeIntruder([partition, owner]: [string, string | null]): string {
  return `${partition} still runs on ${owner}, and is no partition`
}

function describeStepBack({ partition, at, instance, newest, token }: StepBack): string {
  return `${partition} went back from token ${newest} to ${token} at ${at}, on ${instance}`
}
