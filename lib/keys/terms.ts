/**
 * How long a process may outlive its lock when nobody knows who held it: the longest L and G (the terms) of all
 * instances that may have held it. The terms of a holder that is cut off are lost with its member key and its lock's
 * value, so every instance remembers the longest terms that it has seen.
 */

import { Temporary } from '../base/errors.ts'
import { fieldsIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, entriesAt, transact } from '../consul/kv.ts'
import { readFact } from '../state/facts.ts'
import type { Terms } from '../state/local.ts'
import { type Lock, longestWait } from './lock.ts'

/** The longest L and the longest G, ms. No wait is longer than `longestWait`. */
export function longest(all: readonly Terms[]): Terms {
  const most = (of: (terms: Terms) => number) => Math.min(longestWait, Math.max(0, ...all.map(of)))
  return { lease: most(({ lease }) => lease), grace: most(({ grace }) => grace) }
}

/** What a look shows of the locks and the partition set. */
interface Shown {
  readonly defined: boolean
  /** Instances that are lost and may have had locks. */
  readonly lost: ReadonlyMap<string, unknown>
  readonly partitions: ReadonlySet<string>
  readonly locks: ReadonlyMap<string, Lock>
  /** The terms of all members, and of instances that lost their session. */
  readonly terms: readonly Terms[]
}

/**
 * The terms to remember after a look. They grow with every longer term seen. They are forgotten only when every lock
 * names the terms of its acquisition or was given back: then no process can run that the look does not show.
 * @param shown with this instance's doubts about locks whose values say clean
 */
export function rememberedTerms(before: Terms, shown: Shown, own: Terms): Terms {
  const { defined, lost, partitions, locks, terms } = shown
  const ofLocks = [...locks.values()].flatMap(({ held }) => held ?? [])
  const now = longest([own, ...terms, ...ofLocks])
  const isKnown = ({ session, held, clean }: Lock) => (session === null ? clean : held !== null)
  const allKnown = [...locks.values()].every(isKnown) && [...partitions].every(id => locks.has(id))
  return defined && lost.size === 0 && allKnown ? now : longest([before, now])
}

/** `<L> <G>`, ms. */
export function readTerms(file: string): Terms {
  const match = /^(\d+) (\d+)$/.exec(readFact(file) ?? '')
  return { lease: Number(match?.[1] ?? 0), grace: Number(match?.[2] ?? 0) }
}

export function termsText({ lease, grace }: Terms): string {
  return `${Math.ceil(lease)} ${Math.ceil(grace)}`
}

/** The terms in `spec/terms`; none when it is missing or garbled. */
export function termsLeft(text: string | null): Terms[] {
  const { lease, grace } = fieldsIn(text)
  const isDuration = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value < 1e9
  return isDuration(lease) && isDuration(grace) ? [{ lease, grace }] : []
}

/** Leaves terms in Consul for instances that never saw the holder. The key keeps the longest that anyone left. */
export async function leaveTerms(consul: Consul, keys: Keys, terms: Terms): Promise<void> {
  if (terms.lease + terms.grace === 0) return // of an instance that had no partitions
  for (let attempt = 0; attempt < 5; attempt++) {
    const [entry] = await entriesAt(consul, [keys.terms])
    const before = termsLeft(entry?.value ?? null)
    const value = longest([terms, ...before])
    if (before[0] && before[0].lease >= value.lease && before[0].grace >= value.grace) return
    const Index = entry?.modifyIndex ?? 0
    const write = { Verb: 'cas', Key: keys.terms, Index, Value: base64(JSON.stringify(value)) } as const
    if ((await transact(consul, [write])).done) return
  }
  throw new Temporary(`cannot write ${keys.terms}: others keep changing it; try again`)
}
