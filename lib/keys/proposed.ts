/** The proposals in Consul as every look reads them; what is done about them is in act/proposal.ts. */
import { fieldsIn, textIn } from '../base/json.ts'
import { decode, type Keys } from '../base/names.ts'
import type { Entry } from '../consul/kv.ts'

/** What stands in `proposal/<instance>`. */
export interface Proposal {
  readonly instance: string
  /** Tells this change from every other. */
  readonly change: string
  /** How many partitions it removes and adds, and the first of them. */
  readonly removes: number
  readonly removed: readonly string[]
  readonly adds: number
  readonly added: readonly string[]
  /** Since when it stands there, ISO. */
  readonly since: string
  /** Somebody has applied it: the instance is to carry it out. */
  readonly applied: boolean
  /** The key's ModifyIndex. */
  readonly index: number
}

/** Those below proposal/. One that is garbled names no change: its instance writes it anew, or removes it. */
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

/** What this instance proposed last, and for what: while nothing of it is another, it needs not be weighed again. */
export function proposedLine(
  change: string,
  { revision, digest }: { readonly revision: number; readonly digest: string },
): string {
  return `${change} ${revision} ${digest}`
}
