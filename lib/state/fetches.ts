/** What this instance knows of its last fetches, in its state directory. */
import { bootClock, bootId } from '../base/clock.ts'
import type { Source } from '../definition/definition.ts'
import type { InForce } from './definition.ts'
import { readFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

export interface FetchState {
  /** Of the source that the rest is about. */
  readonly source: string
  /** How often it failed in a row, and since when, boot-clock ms of `boot`. */
  readonly failures: number
  readonly failingSince: number
  readonly boot: string
  /** Of the answer that is in force; null when none of this instance's is. */
  readonly answer: string | null
  readonly validator: string | null
  /** Consul's index below partition/ when that was so: nobody has changed the set since. */
  readonly index: string | null
  /** The last change that a fetch made, and when, ISO; not there before the first. */
  readonly last?: { readonly at: string; readonly done: string }
  /** What was left out of it; not there, or null, when nothing was. */
  readonly leftOut?: string | null
}

/** Of another source, or none, nothing is known. */
export function fetchState(files: InstanceFiles, source: string): FetchState {
  const fresh = { source, failures: 0, failingSince: 0, boot: bootId(), answer: null, validator: null, index: null }
  try {
    const found = JSON.parse(readFact(files.source) ?? '{}') as FetchState
    if (found.source !== source) return fresh
    return found.boot === fresh.boot ? found : { ...found, failures: 0, boot: fresh.boot }
  } catch {
    return fresh // a torn disk
  }
}

/** Written only when it says something else. */
export function keepFetchState(files: InstanceFiles, state: FetchState): void {
  const text = JSON.stringify(state)
  if (readFact(files.source) !== text) writeFact(files.source, text)
}

/** Whether this instance ever put a set in force, whatever its source was. */
export function everFetched(files: InstanceFiles): boolean {
  return /"answer":"/.test(readFact(files.source) ?? '')
}

/** While one is at work, or was killed at it, the guard starts no other for its time limit and this much, ms. */
export const atWork = 15_000

/** How often a source that is asked once is looked after all the same, ms: it may be another one, or nobody has it. */
export const seldom = 3_600_000
/** At most so long after a failure such a source is asked again, ms. */
export const longestRetry = 60_000

/** By how much the next fetch is put off at most, ms. */
export function longestPause({ everyMs, retryMs, timeoutMs }: Source): number {
  return Math.max(everyMs ?? seldom, retryMs, timeoutMs + atWork)
}

/** The next fetch comes in so many ms; earlier when the definition changes. */
export function putOff(files: InstanceFiles, { stamp }: Pick<InForce, 'stamp'>, ms: number): void {
  writeFact(files.sourceDue, `${Math.round(bootClock() + ms)} ${stamp}`)
}
