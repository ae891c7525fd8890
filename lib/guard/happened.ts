/** What has happened to the partitions here since the last tick, as their facts show it. Pure but for the exit's own words. */
import { type Event, eventOf } from '../state/events.ts'
import { readLine } from '../state/facts.ts'
import { runnerOf } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Here, Known } from './health.ts'

type All = ReadonlyMap<string, Known>

/**
 * The keys are made of what happened, so that a tick that was killed before it could write this down tells nothing twice.
 * @param known what programs have told already: whoever takes a lock tells so itself, unless it is killed
 */
export function eventsBetween(
  files: InstanceFiles,
  before: All,
  after: All,
  here: readonly Here[],
  tellsReady: boolean,
  known: readonly Event[],
): Event[] {
  const acquired = new Set(known.flatMap(({ index, what }) => (isAcquisition(what) && index !== null ? [index] : [])))
  return here.flatMap(({ id, local }) => {
    const [was, now] = [before.get(id), after.get(id) as Known]
    const own = (what: string, key: string, more: Partial<Event> = {}) =>
      eventOf({ what, partitions: [id], ...more }, `${what}.${id}.${now.index}.${key}`)
    const events: Event[] = []
    const isNew = was?.index !== now.index
    if (isNew && !acquired.has(now.index)) events.push(own('acquired', '', { index: now.index }))
    const isOther = was?.process !== now.process
    const times = exitsBetween(isNew ? undefined : was, now, local.home === files.worker.directory)
    if ((isOther && was !== undefined && runs(was)) || times > 0) {
      const exit = readLine(runnerOf(files.partition(id)).exit)
      events.push(own('exited', `${exitsOf(now)}.${exit}`, { why: exitWords(exit, times) }))
    }
    if (isOther && runs(now)) events.push(own('started', now.process))
    const wasReady = was?.ready === true && !isOther
    if (tellsReady && now.ready && !wasReady) events.push(own('ready', `${now.process}.${was?.since ?? 0}`))
    if (wasReady && !now.ready)
      events.push(own('not ready', `${now.process}.${was.since}`, { why: local.unready ?? local.status }))
    return events
  })
}

function isAcquisition(what: string): boolean {
  return what === 'acquired' || what === 'taken over' || what === 'reclaimed'
}

function runs({ process }: Known): boolean {
  return !process.startsWith('-')
}

/**
 * How often the process has ended since then, also where no tick has seen it run.
 * @param was of the same acquisition; left out for none @param isShared the one process for all has ended before this acquisition, too
 */
function exitsBetween(was: Known | undefined, now: Known, isShared: boolean): number {
  if (was === undefined) return isShared ? 0 : exitsOf(now)
  return exitsOf(now) - exitsOf(was)
}

/** Each restart follows an exit, and the last exit waits for its restart: see `process` of `Here`. */
function exitsOf({ restarts, process }: Known): number {
  return restarts + (/^-\d/.test(process) ? 1 : 0)
}

/** Ticks see the last exit of several. */
function exitWords(exit: string | null, times: number): string | null {
  return times > 1 ? `${exit ?? 'it ended'}; ${times} times since the last time` : exit
}
