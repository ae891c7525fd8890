/**
 * Reactions that wait: one directory each in `event/`, `<id>.<number of the reaction>`. The directory is made before
 * the change is written down as told, and removed once the reaction is done. If a program is killed in between, the
 * reaction is done again, with the same id.
 */
import { renameSync, rmSync } from 'node:fs'
import { bootClock, bootId } from '../base/clock.ts'
import { encode } from '../base/names.ts'
import type { Definition } from '../definition/definition.ts'
import { attempt, makeDirectory, namesIn, readFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { type Event, reactionsTo } from './event.ts'

/** The longest time that a failed reaction is put off, ms. A later time was written by another clock. */
export const longestPutOff = 300_000

/** One reaction to one event that is not done yet. */
export interface Waiting {
  /** Its directory; see hook.sh for what else is in it. */
  readonly directory: string
  readonly event: Event
  /** The index of the reaction in the event's list. */
  readonly reaction: number
  /** How many times it failed. */
  readonly failures: number
  /** Boot-clock ms of this boot. After a reboot every reaction is due. */
  readonly notBefore: number
  /** Grows from event to event, in all programs, even when the wall clock is set back; -1 for an earlier boot. */
  readonly order: number
}

type Written = Omit<Waiting, 'directory'> & { readonly boot: string }

/**
 * Keeps an event for each of its reactions. An event without a reaction is not kept, unless it is a `milestone`: the
 * beginning or end of a partition's time here, after which other events are told.
 * @returns the number of reactions
 */
export function enqueue(files: InstanceFiles, definition: Definition, event: Event, milestone = false): number {
  const count = Math.max(reactionsTo(definition, event).length, milestone ? 1 : 0)
  if (count === 0) return 0
  makeDirectory(files.events)
  writeFact(files.eventsDue, String(bootClock()))
  for (let reaction = 0; reaction < count; reaction++) {
    const directory = directoryOf(files, event.id, reaction)
    makeDirectory(directory)
    if (readFact(`${directory}/event`) === null)
      write({ directory, event, reaction, failures: 0, notBefore: 0, order: now() })
  }
  return count
}

/** The directory of a waiting reaction. */
export function directoryOf(files: InstanceFiles, id: string, reaction = 0): string {
  return `${files.events}/${encode(id)}.${reaction}`
}

/** The monotonic clock, which all programs of this boot share, ns. */
function now(): number {
  return Number(process.hrtime.bigint())
}

/** How long it has waited, ms; infinite for another boot. */
export function ageOf({ order }: Waiting): number {
  return order < 0 ? Number.POSITIVE_INFINITY : (now() - order) / 1e6
}

/** The waiting reactions, in the order in which their events happened. Other directories are left alone. */
export function waiting(files: InstanceFiles, known: Map<string, Waiting> = new Map()): Waiting[] {
  const boot = bootId()
  const all = names(files).flatMap(name => {
    const directory = `${files.events}/${name}`
    const one = known.get(directory) ?? parse(directory, boot)
    if (one !== null) known.set(directory, one)
    return one ?? []
  })
  return all.sort((a, b) => a.order - b.order || byTime(a, b) || a.reaction - b.reaction)
}

function byTime(a: Waiting, b: Waiting): number {
  return a.event.at < b.event.at ? -1 : a.event.at > b.event.at ? 1 : 0
}

function parse(directory: string, now: string): Waiting | null {
  try {
    const { boot, ...written } = JSON.parse(readFact(`${directory}/event`) ?? '') as Written
    if (boot !== now) return { ...written, notBefore: 0, order: -1, directory }
    const isWaiting = written.notBefore <= bootClock() + longestPutOff
    return { ...written, order: written.order ?? -1, notBefore: isWaiting ? written.notBefore : 0, directory }
  } catch (error) {
    if (error instanceof SyntaxError) return null // done meanwhile, or a damaged disk
    throw error
  }
}

function write({ directory, ...waiting }: Waiting): void {
  writeFact(`${directory}/event`, JSON.stringify({ ...waiting, boot: bootId() }))
}

/** Removes a reaction. If it is removed only halfway, it does not count as one any more. */
export function done(files: InstanceFiles, { directory }: Waiting): void {
  attempt(`remove ${directory}`, () => {
    const away = `${files.events}/done`
    rmSync(away, { recursive: true, force: true })
    renameSync(directory, away)
    rmSync(away, { recursive: true, force: true })
  })
}

/** Puts a reaction off until `notBefore`, boot-clock ms. @returns its new state */
export function putOff(waiting: Waiting, notBefore: number): Waiting {
  const later = { ...waiting, failures: waiting.failures + 1, notBefore }
  write(later)
  return later
}

/** Whether a reaction waits. Cheap, for the guard. */
export function isAnythingWaiting(files: InstanceFiles): boolean {
  return names(files).length > 0
}

/** The names of waiting reactions; the same directory also holds the delivery's lock. */
function names(files: InstanceFiles): string[] {
  return namesIn(files.events).filter(name => /\.\d+$/.test(name))
}
