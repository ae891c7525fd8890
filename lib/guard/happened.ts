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
    const ran = was !== undefined && was.process !== '-'
    const isOther = was?.process !== now.process
    if (ran && isOther) events.push(own('exited', was.process, { why: exitWords(files, id, was, now) }))
    if (isOther && now.process !== '-') events.push(own('started', now.process))
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

/** Ticks see the last exit of several. */
function exitWords(files: InstanceFiles, id: string, was: Known, now: Known): string | null {
  const exit = readLine(runnerOf(files.partition(id)).exit)
  const times = now.restarts - was.restarts
  return times > 1 ? `${exit ?? 'it ended'}; ${times} times since the last time` : exit
}
