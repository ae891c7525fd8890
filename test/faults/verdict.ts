/**
 * Judges one fault, or several at once, from the beats and from when the servers marked the loss of a lock. Times are
 * boot-clock ms. The fault itself says what it allows: see fault.ts.
 */
import {
  type Beat,
  describeOverlap,
  disorder,
  gaps,
  overlaps,
  processOf,
  type Run,
  runs,
  type Span,
  wholeSpan,
} from '../lab/beats.ts'

/** How long a partition may have no owner: see fault.ts. */
export type Gap = 'none' | 'clean' | 'local' | 'takeover' | 'any'

/** A time in which the processes of an instance could not run, and so could not be stopped. */
export interface Frozen extends Span {
  readonly instance: string
}

export interface Incident {
  readonly gap: Gap
  /** When the fault began. */
  readonly from: number
  /** W + guard interval + 1 s of the terms in force, ms. */
  readonly limit: number
  /** By lock: each time when a server was first seen to have taken a session off it. */
  readonly losses: ReadonlyMap<string, readonly number[]>
  readonly frozen: readonly Frozen[]
  /** How long a thawed process may beat beside its successor, ms. */
  readonly residual: number
  /** The most processes of one partition one after the other, and until when that is judged. */
  readonly starts: { readonly most: number; readonly until: number } | null
  /** Until when a host was too slow to start a process, but kept its session; null when none was. */
  readonly slowUntil: number | null
}

export interface Verdict {
  /** The total time with two owners, ms. */
  readonly overlap: number
  /** The longest time that a thawed process beat beside its successor, ms. */
  readonly residual: number
  /** Writes that the store took although a successor had written. */
  readonly stale: number
  readonly refused: number
  readonly longestGap: number
  /** The longest time from the servers' mark to the successor's first beat, ms; null when nothing was taken over. */
  readonly afterLoss: number | null
  /** The number of processes at the start, and how many of them ran all the time. */
  readonly before: number
  readonly ranThrough: number
  /** One sentence each; empty when all is as it should be. */
  readonly faults: readonly string[]
}

/** The longest time for a hand-over, or for a restart on the same host, ms. */
const cleanGap = 2000
/** How long a thawed process may beat before it is killed, ms, unless the fault says otherwise. */
export const mostResidual = 200

export function judge(beats: Beat[], partitions: readonly string[], incident: Incident): Verdict {
  const late = thawed(beats, incident.frozen)
  const pieces = runs(beats, beat => `${processOf(beat)}${late.has(beat) ? '\tthawed' : ''}`)
  const latePieces = new Set(runs([...late]).map(pieceId))
  const isLate = (run: Run) => latePieces.has(pieceId(run))
  const [residual, overlap] = split(overlaps(beats, pieces), ({ runs }) => runs.some(isLate))
  const idle = partitions.flatMap(partition =>
    gaps(beats, partition, undefined, pieces).map(gap => ({ ...gap, partition })),
  )
  const taken = idle.filter(isTakeover).map(gap => gap.to - markOf(gap, incident))
  const longestResidual = Math.max(0, ...residual.map(span))
  const stale = staleWrites(beats)
  const first = wholeSpan(beats)?.from ?? 0
  const original = pieces.filter(({ from }) => from < incident.from && from - first < 1000)
  const final = wholeSpan(beats)?.to ?? 0
  return {
    overlap: overlap.map(span).reduce((a, b) => a + b, 0),
    residual: longestResidual,
    stale: stale.length,
    refused: beats.filter(({ refused }) => refused).length,
    longestGap: Math.max(0, ...idle.map(span)),
    afterLoss: taken.length === 0 ? null : Math.max(...taken),
    before: original.length,
    ranThrough: original.filter(({ to }) => final - to < 1000).length,
    faults: [
      ...overlap.map(describeOverlap),
      ...disorder(
        beats,
        partitions,
        beats.filter(beat => !late.has(beat)),
      ),
      ...residual.filter(found => span(found) > incident.residual).map(found => `thawed: ${describeOverlap(found)}`),
      ...residual
        .flatMap(({ runs }) => runs.filter(isLate))
        .filter(({ stopped }) => stopped)
        .map(politely),
      ...stale.slice(0, 3).map(describeStale),
      ...idle.flatMap(gap => tooLong(gap, incident)),
      ...tooOften(pieces, incident),
    ],
  }
}

/**
 * The beats of processes after a freeze. The parts of such a process before and after the freeze are judged
 * separately.
 */
function thawed(beats: Beat[], frozen: readonly Frozen[]): Set<Beat> {
  const begun = new Map<string, number>()
  for (const beat of beats) if (!begun.has(processOf(beat))) begun.set(processOf(beat), beat.at)
  const isLate = (beat: Beat) =>
    frozen.some(
      ({ instance, from, to }) =>
        beat.instance === instance && beat.at >= to && (begun.get(processOf(beat)) ?? 0) <= from,
    )
  return new Set(beats.filter(isLate))
}

function pieceId({ instance, pid, partition, token, from }: Run): string {
  return [instance, pid, partition, token, from].join('\t')
}

type Idle = Span & { readonly partition: string }

function isTakeover(gap: Idle): boolean {
  return span(gap) > cleanGap
}

/**
 * When the servers took the lock away whose loss caused the gap: the last time before a successor had it. When they did
 * not, the gap counts from its own beginning, or from when a host that was too slow can start processes again.
 */
function markOf(gap: Idle, { losses, from, slowUntil }: Incident): number {
  const marks = losses.get(gap.partition)?.filter(at => at >= from && at <= gap.to) ?? []
  return Math.max(...(marks.length > 0 ? marks : [gap.from, Math.min(gap.to, slowUntil ?? gap.from)]))
}

function tooLong(gap: Idle, incident: Incident): string[] {
  const { partition, from, to } = gap
  const words = (limit: string) => [`${partition} had no owner for ${to - from} ms from ${from} on: ${limit}`]
  switch (incident.gap) {
    case 'any':
      return []
    case 'none':
      return words('nothing should have ended')
    case 'clean':
      return isTakeover(gap) ? words(`${cleanGap} ms are allowed`) : []
    case 'local':
      return span(gap) > incident.limit ? words(`${incident.limit} ms are allowed`) : []
    case 'takeover': {
      const after = to - markOf(gap, incident)
      return isTakeover(gap) && after > incident.limit ? words(`${after} ms after the loss`) : []
    }
  }
}

function tooOften(pieces: readonly Run[], { starts }: Incident): string[] {
  if (starts === null) return []
  const counts = Map.groupBy(
    pieces.filter(({ from }) => from < starts.until),
    ({ partition }) => partition,
  )
  return [...counts].flatMap(([partition, { length }]) =>
    length > starts.most
      ? [`${partition} had ${length} processes, one after the other: ${starts.most} are allowed`]
      : [],
  )
}

/** Accepted writes of a process after a write of its successor: the token did not keep them out. */
export function staleWrites(beats: Beat[]): Beat[] {
  const order = new Map<string, number>()
  const latest = new Map<string, Beat>()
  return beats.filter(beat => {
    const key = processOf(beat)
    if (!order.has(key)) order.set(key, order.size)
    if (beat.refused || beat.stop) return false
    const before = latest.get(beat.partition)
    const isNewer = before === undefined || (order.get(processOf(before)) ?? 0) <= (order.get(key) ?? 0)
    if (isNewer) latest.set(beat.partition, beat)
    return !isNewer
  })
}

function span({ from, to }: Span): number {
  return to - from
}

function politely({ partition, instance, pid }: Run): string {
  return `${partition}: after the thaw ${instance} (pid ${pid}) was asked to stop instead of being killed`
}

function describeStale({ partition, instance, at, token }: Beat): string {
  return `${partition}: the store took a write of ${instance} at ${at} with the old token ${token}`
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter(item => !test(item))]
}
