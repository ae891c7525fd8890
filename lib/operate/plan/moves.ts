/** What moves when a cluster becomes another one, and why. Pure. */

import { byName } from '../../base/text.ts'
import { noRules } from '../../definition/rules.ts'
import type { Cluster } from '../../look/cluster.ts'
import { holdersOf } from '../../roster/assignment.ts'
import { refusalsOf } from '../../roster/place.ts'
import { planThatCounts } from '../../roster/plan-that-counts.ts'
import type { Placement } from '../../roster/rule.ts'
import { valuesOf } from '../../roster/rules/attribute.ts'
import { select } from '../../roster/rules/select.ts'
import type { InTurn } from './in-turn.ts'

const followed = 'it comes back when the percentage has followed'

export interface Moved {
  readonly partition: string
  /** Null when nobody has it. */
  readonly from: string | null
  /** Null when nobody gets it. */
  readonly to: string | null
  /** Who has it until a percentage has followed the members, if that is neither of the two. */
  readonly meanwhile?: string
  readonly why: string
}

export interface Outlook {
  readonly service: string
  readonly moves: readonly Moved[]
  /** Partitions that nobody would have, whether or not anybody has them now. */
  readonly unplaced: readonly { readonly partition: string; readonly why: string }[]
  readonly instances: readonly { readonly instance: string; readonly now: number; readonly after: number }[]
}

/** @param after the cluster as it would be */
export function outlook(before: Cluster, after: Cluster, { roster: then, meanwhile }: InTurn): Outlook {
  const now = new Map([...holdersOf(before)].filter(([id]) => before.partitions.has(id)))
  const present = new Set(before.members.map(({ instance }) => instance))
  const reasons = reasonsOf(before, after, then)
  const ids = [...new Set([...before.partitions, ...after.partitions])].sort(byName)
  const moves = ids.flatMap(partition => {
    const holder = now.get(partition)
    const from = holder !== undefined && present.has(holder) ? holder : null
    const to = then.placed.get(partition) ?? null
    const between = meanwhile?.placed.get(partition)
    const isOther = between !== undefined && between !== from && between !== to
    if (from === to) return isOther ? [{ partition, from, to, meanwhile: between, why: followed }] : []
    return [{ partition, from, to, ...(isOther && { meanwhile: between }), why: reasons(partition, from, to) }]
  })
  const names = new Set([...present, ...after.members.map(({ instance }) => instance)])
  const count = (owners: Iterable<string>, instance: string) => [...owners].filter(one => one === instance).length
  const instances = [...names].sort(byName).map(instance => ({
    instance,
    now: count(now.values(), instance),
    after: count(then.placed.values(), instance),
  }))
  const unplaced = [...then.unplaced].map(([partition, why]) => ({ partition, why }))
  return {
    service: before.service,
    moves,
    unplaced: unplaced.sort((a, b) => byName(a.partition, b.partition)),
    instances,
  }
}

/** Why a partition goes from one to another: the first of the wishes that its present place does not meet. */
function reasonsOf(before: Cluster, after: Cluster, then: Placement) {
  const there = new Map(after.members.map(member => [member.instance, member]))
  const takesPart = after.members.filter(({ absence }) => absence === null)
  const { rules = noRules, pins = new Map<string, string>() } = after.placement ?? {}
  const asked = {
    ...{ members: takesPart, partitions: [...after.partitions], holders: holdersOf(before), rules, pins },
    ...{ avoided: new Map<string, string>(), traits: after.traits },
  }
  const refusal = refusalsOf(asked)
  const plan = planThatCounts(after)
  const load = Map.groupBy(then.placed.keys(), id => then.placed.get(id) as string)

  return (id: string, from: string | null, to: string | null): string => {
    if (!after.partitions.has(id)) return 'no longer in the set'
    if (to === null) return then.unplaced.get(id) ?? 'nobody may have it'
    if (from === null) return before.partitions.has(id) ? 'nobody has it' : 'new'
    const member = there.get(from)
    if (member === undefined) return `${from} is gone`
    if (member.absence !== null) return `${from} is ${member.absence}`
    const refused = refusal(id, from)
    if (refused !== null) return `${from} ${refused}`
    if (after.coolDowns.get(id)?.instance === from) return `${from} gave it up: cool-down`
    if (plan?.assignment.get(id) === to) return 'the scheduler says so'
    const target = there.get(to)
    const other = [...(load.get(from) ?? [])]
    const apart = rules.apart.find(({ for: selector, over }) => {
      const selects = select(selector)
      if (target === undefined || !selects(id, after.traits.get(id))) return false
      const isBeside = (one: string) => one !== id && selects(one, after.traits.get(one))
      return valuesOf(member, over)[0] !== valuesOf(target, over)[0] && other.some(isBeside)
    })
    if (apart !== undefined) return `apart by ${apart.over}`
    const spread = rules.spread.find(({ for: selector, over }) => {
      const isFor = select(selector)(id, after.traits.get(id))
      return isFor && target !== undefined && valuesOf(member, over)[0] !== valuesOf(target, over)[0]
    })
    if (spread !== undefined) return `spread over ${spread.over}`
    return other.length >= (member.maxPartitions ?? Number.POSITIVE_INFINITY) ? `${from} is full` : 'balance'
  }
}
