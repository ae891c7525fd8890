/** The proposals in Consul, as every look reads them. act/proposal.ts acts on them. */
import { fieldsIn, textIn } from '../base/json.ts'
import { decode, type Keys } from '../base/names.ts'
import type { Entry } from '../consul/kv.ts'

/** The value of `proposal/<instance>`. */
export interface Proposal {
  readonly instance: string
  /** Identifies this change. */
  readonly change: string
  /** How many partitions it removes and adds, and the first of them. */
  readonly removes: number
  readonly removed: readonly string[]
  readonly adds: number
  readonly added: readonly string[]
  /** When it was proposed, ISO. */
  readonly since: string
  /** A person has applied it: the instance must carry it out. */
  readonly applied: boolean
  /** The key's ModifyIndex. */
  readonly index: number
}

/** The keys below proposal/. A garbled one names no change: its instance writes it again, or removes it. */
export function proposalsFrom(entries: readonly Entry[], keys: Keys): Map<string, Proposal> {
  return new Map(
    entries.flatMap(entry => {
      const instance = decode(entry.key.slice(keys.proposals.length))
      return instance === null ? [] : [[instance, proposalIn(entry, instance)] as const]
    }),
  )
}

function proposalIn({ value, modifyIndex: index }: Entry, instance: string): Proposal {
  const { change, removes, adds, removed, added, since, applied } = fieldsIn(value)
  const isWhole = typeof change === 'string' && areIds(removed) && areIds(added) && isCount(removes) && isCount(adds)
  if (!isWhole)
    return { instance, change: '', removes: 0, removed: [], adds: 0, added: [], since: '', applied: false, index }
  const [when, isApplied] = [textIn(since), typeof applied === 'string']
  return { instance, change, removes, removed, adds, added, since: when, applied: isApplied, index }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function areIds(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(id => typeof id === 'string')
}

/**
 * What this instance proposed last, and for which inputs: while all of them are the same, it need not compute it
 * again.
 */
export function proposedLine(
  change: string,
  { revision, digest }: { readonly revision: number; readonly digest: string },
): string {
  return `${change} ${revision} ${digest}`
}
