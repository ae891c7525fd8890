/**
 * Events that wait for their reactions: one directory each in `event/`, `<id>.<number of the reaction>`. It is made before
 * what made it happen is written down as told, and removed once the reaction is done: killed in between, it is done
 * again, with the same id.
 */
import { renameSync, rmSync } from 'node:fs'
import { bootClock, bootId } from '../clock.ts'
import type { Definition } from '../definition/definition.ts'
import { encode } from '../names.ts'
import { attempt, makeDirectory, namesIn, readFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/instance.ts'
import { type Event, reactionsTo } from './event.ts'

/** By how much one that failed is put off at most, ms: what lies further ahead is another clock's time. */
export const longestPutOff = 300_000

/** One reaction to one event that is still to be done. */
export interface Waiting {
  /** Its directory; see hook.sh for what else is in it. */
  readonly directory: string
  readonly event: Event
  /** Which of the event's reactions. */
  readonly reaction: number
  /** How often it failed. */
  readonly failures: number
  /** Boot clock, ms; of this boot: after another, everything is due. */
  readonly notBefore: number
}

type Written = Omit<Waiting, 'directory'> & { readonly boot: string }

/** Keeps an event for each of its reactions; nothing when the definition wants nothing done. @returns how many */
export function enqueue(files: InstanceFiles, definition: Definition, event: Event): number {
  const reactions = reactionsTo(definition, event)
  if (reactions.length === 0) return 0
  makeDirectory(files.events)
  writeFact(files.eventsDue, String(bootClock()))
  for (const reaction of reactions.keys()) {
    const directory = `${files.events}/${encode(event.id)}.${reaction}`
    makeDirectory(directory)
    if (readFact(`${directory}/event`) === null) write({ directory, event, reaction, failures: 0, notBefore: 0 })
  }
  return reactions.length
}

/** What waits, the oldest first. What is no event is left alone. */
export function waiting(files: InstanceFiles): Waiting[] {
  return names(files)
    .flatMap(name => parse(`${files.events}/${name}`) ?? [])
    .sort((a, b) => (a.event.at < b.event.at ? -1 : a.event.at > b.event.at ? 1 : a.reaction - b.reaction))
}

function parse(directory: string): Waiting | null {
  try {
    const { boot, ...written } = JSON.parse(readFact(`${directory}/event`) ?? '') as Written
    const isWaiting = boot === bootId() && written.notBefore <= bootClock() + longestPutOff
    return { ...written, notBefore: isWaiting ? written.notBefore : 0, directory }
  } catch (error) {
    if (error instanceof SyntaxError) return null // done meanwhile, or a torn disk
    throw error
  }
}

function write({ directory, ...waiting }: Waiting): void {
  writeFact(`${directory}/event`, JSON.stringify({ ...waiting, boot: bootId() }))
}

/** Nothing of it is left. Killed halfway, it is no event any more. */
export function done(files: InstanceFiles, { directory }: Waiting): void {
  attempt(`remove ${directory}`, () => {
    const away = `${files.events}/done`
    rmSync(away, { recursive: true, force: true })
    renameSync(directory, away)
    rmSync(away, { recursive: true, force: true })
  })
}

/** Puts it off until `notBefore`, boot clock ms. */
export function putOff(waiting: Waiting, notBefore: number): void {
  write({ ...waiting, failures: waiting.failures + 1, notBefore })
}

/** Whether anything waits at all: cheap, for the guard. */
export function isAnythingWaiting(files: InstanceFiles): boolean {
  return names(files).length > 0
}

/** Beside the events stands the lock of whoever delivers them. */
function names(files: InstanceFiles): string[] {
  return namesIn(files.events).filter(name => /\.\d+$/.test(name))
}
