/** What this instance knows about its last fetches, in its state directory. */
import { bootClock, bootId } from '../base/clock.ts'
import type { Source } from '../definition/definition.ts'
import type { InForce } from './definition.ts'
import { readFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

export interface FetchState {
  /** Hash of the source that the other fields are about. */
  readonly source: string
  /** How many fetches failed in a row, and since when, boot-clock ms of `boot`. */
  readonly failures: number
  readonly failingSince: number
  readonly boot: string
  /** Hash of the answer in force; null when no answer that this instance fetched is in force. */
  readonly answer: string | null
  readonly validator: string | null
  /** Consul's index below partition/ at that time. While it is the same, nobody has changed the set. */
  readonly index: string | null
  /** The last change that a fetch made, and its time, ISO; missing before the first. */
  readonly last?: { readonly at: string; readonly done: string }
  /** The ids of the answer that were left out, in words; missing or null when there are none. */
  readonly leftOut?: string | null
}

/** For another source, or none, a state that knows nothing. */
export function fetchState(files: InstanceFiles, source: string): FetchState {
  const fresh = { source, failures: 0, failingSince: 0, boot: bootId(), answer: null, validator: null, index: null }
  try {
    const found = JSON.parse(readFact(files.source) ?? '{}') as FetchState
    if (found.source !== source) return fresh
    return found.boot === fresh.boot ? found : { ...found, failures: 0, boot: fresh.boot }
  } catch {
    return fresh // a damaged disk
  }
}

/** Written only when it differs from the file. */
export function keepFetchState(files: InstanceFiles, state: FetchState): void {
  const text = JSON.stringify(state)
  if (readFact(files.source) !== text) writeFact(files.source, text)
}

/** Whether this instance ever put a fetched set in force, from any source. */
export function everFetched(files: InstanceFiles): boolean {
  return /"answer":"/.test(readFact(files.source) ?? '')
}

/** While a fetch runs, or was killed, the guard starts no other one for the fetch's time limit plus this, ms. */
export const atWork = 15_000

/**
 * A source that is fetched only once is still checked this often, ms: the source may have changed, or nobody has the
 * duty.
 */
export const seldom = 3_600_000
/** The longest pause before such a source is tried again after a failure, ms. */
export const longestRetry = 60_000

/** The longest time by which the next fetch is put off, ms. */
export function longestPause({ everyMs, retryMs, timeoutMs }: Source): number {
  return Math.max(everyMs ?? seldom, retryMs, timeoutMs + atWork)
}

/** Sets the next fetch to so many ms from now; a change of the definition makes it earlier. */
export function putOff(files: InstanceFiles, { stamp }: Pick<InForce, 'stamp'>, ms: number): void {
  writeFact(files.sourceDue, `${Math.round(bootClock() + ms)} ${stamp}`)
}
