/** The tick's verdict in Consul's check language, with a sentence. */
import type { Renewal } from '../act/renew.ts'
import { bootClock, seconds } from '../base/clock.ts'
import { membersOf } from '../process/containment/containment.ts'
import { definitionInForce } from '../state/definition.ts'
import { instanceLease } from '../state/lease.ts'
import { type Local, leaseEnd } from '../state/local.ts'
import type { Self } from '../state/self.ts'
import { everyRunner } from './doomed.ts'

/** Consul's check language: 0 passing, 2 critical (1 would be warning). */
export interface Verdict {
  readonly code: 0 | 2
  readonly sentence: string
  /** Processes go on although their lease is over: see state/kept.ts. */
  readonly keeps?: true
}

export function sentenceOf({ node }: Self, { proved, lost, unusable, missing, elsewhere }: Renewal): string {
  const why = unusable.length > 0 ? `: the agent refuses the key of ${unusable.slice(0, 5).join(', ')}; see status` : ''
  const held = `${proved.length} locks held${lost.length > 0 ? `, ${lost.length} lost${why}` : ''}`
  if (elsewhere !== undefined) return `configured for ${node}, this is ${elsewhere}; run configure; ${held}`
  return missing === null ? held : `missing permission: ${missing}; ${held}`
}

/** Whether an acquisition says that its process goes on: most services load nothing for it. */
export function keepsAny(local: ReadonlyMap<string, Local>): boolean {
  return [...local.values()].some(({ terms }) => terms?.whenIsolated === 'keep')
}

/** How many processes go on while this machine is cut off. */
export function keptAmong(local: ReadonlyMap<string, Local>): number {
  return [...local.values()].filter(({ kept, shepherd }) => kept && shepherd !== null).length
}

/**
 * The verdict when Consul did not answer. Passing while the lease runs, or while a process is still dying: a check that
 * changes its state freezes the checks of a cut-off agent for half a minute (seen on 1.8.7). Critical once the lease is over
 * and no process is left.
 */
export function unanswered(here: Self, local: ReadonlyMap<string, Local>, why: string, kept = 0): Verdict {
  const now = bootClock()
  const ends = [...local.values()].map(leaseEnd)
  const definition = definitionInForce(here.files)?.definition
  const own = instanceLease(here.files, now)
  if (own !== null && definition) ends.push(own + definition.leaseMs)
  const left = Math.max(0, ...ends) - now
  if (left > 0) return { code: 0, sentence: `${why}; the lease runs another ${seconds(left)}` }
  const goOn = `${kept} partitions go on, since whenIsolated is "keep"`
  if (kept > 0) return { code: 0, sentence: `${why}; the lease is over, ${goOn}`, keeps: true }
  if (membersOf(everyRunner(here.files, local)).size > 0)
    return { code: 0, sentence: `${why}; the lease is over, stopping` }
  return { code: 2, sentence: `${why}; the lease is over and nothing runs` }
}
