/** Partitions that rules treat alike are one kind: the search places kinds by number, however many partitions there are. */

import { pointersOf, type Rules } from '../../definition/rules.ts'
import type { PlacedMember } from '../member.ts'
import { apartRules } from '../rules/apart.ts'
import type { Refusal } from '../rules/attribute.ts'
import { costOf } from '../rules/cost.ts'
import { type OnlyRule, onlyRules } from '../rules/only.ts'
import { notPinned } from '../rules/pin.ts'
import { type PreferRule, preferRules } from '../rules/prefer.ts'
import { ofAll, type Trait, type Traits } from '../rules/select.ts'
import { type SpreadRule, spreadRules } from '../rules/spread.ts'
import { decimals, factors } from './factors.ts'

/** What is to be placed, and by which rules. */
export interface Asked {
  /** Those that take part, in the order of their names. */
  readonly members: readonly PlacedMember[]
  readonly partitions: readonly string[]
  readonly holders: ReadonlyMap<string, string>
  /** Partition id -> the member that is not to have it if another may. */
  readonly avoided: ReadonlyMap<string, string>
  readonly rules: Rules
  /** Partition id -> instance. */
  readonly pins: ReadonlyMap<string, string>
  readonly traits: Traits
}

/** Members are numbers, in the order of their names. */
export interface Kind {
  /** In the order of their names. */
  readonly ids: readonly string[]
  /** For each of them, the member that holds it; -1 for nobody. */
  readonly holders: readonly number[]
  /** In whole units. */
  readonly cost: number
  /** The rules that it is for, by their numbers. */
  readonly spreads: readonly number[]
  /** Groups of which only one may be on a value. */
  readonly groups: readonly number[]
  /** 1 for each member that no rule refuses. */
  readonly allowed: Uint8Array
  /** Points of `prefer` for each member; null when there are none. */
  readonly points: Int32Array | null
  /** The member that is not to have it if another may; -1 for none. */
  readonly avoided: number
  /** How many of them each member holds. */
  readonly held: Int32Array
  /** Why a member may not have it. */
  readonly refusal: (member: number) => Refusal | null
}

/** A group of an `apart` rule. */
export interface Group {
  readonly over: string
  /** For each member, the number of its value; and how many there are. */
  readonly values: readonly number[]
  readonly count: number
}

export interface Kinds {
  readonly kinds: readonly Kind[]
  readonly groups: readonly Group[]
  readonly spreads: readonly SpreadRule[]
  /** Units of cost per 1. */
  readonly unit: number
  /** For each member, the whole number that stands for 1 / weight. */
  readonly factors: readonly number[]
}

const unread: Refusal = { one: 'waits until its document has been read', many: 'wait until its document has been read' }
const mostPoints = 4096
const noGroups: readonly number[] = []

/** @param ids distinct, sorted */
export function kindsOf(asked: Asked, ids: readonly string[]): Kinds {
  const { members, holders, avoided, rules, pins, traits } = asked
  const numbers = new Map(members.map(({ instance }, at) => [instance, at]))
  const only = onlyRules(rules.only, members)
  const prefer = preferRules(rules.prefer, members)
  const spreads = spreadRules(rules.spread, members)
  const apart = apartRules(rules.apart, members)
  const cost = pricesOf(asked, ids)
  const readsDocuments = pointersOf(rules).length > 0
  const groups: Group[] = []
  const groupNumbers = new Map<string, number>()
  const found = new Map<string | number, Draft>()

  const groupOf = (rule: number, name: string) => {
    const key = `${rule} ${name}`
    const known = groupNumbers.get(key)
    if (known !== undefined) return known
    const { over, values, count } = apart[rule] as (typeof apart)[number]
    groups.push({ over, values, count })
    groupNumbers.set(key, groups.length - 1)
    return groups.length - 1
  }

  const groupsOf = (id: string, trait: Trait | undefined) =>
    apart.flatMap(({ groupOf: nameOf }, rule) => {
      const name = nameOf(id, trait)
      return name === null ? [] : [groupOf(rule, name)]
    })

  const selects = [...only, ...prefer, ...spreads].map(rule => rule.selects).filter(one => one !== ofAll)
  const prices = new Map<number, number>()
  const known = [...holders.keys()]
  const by = [...holders.values()]
  let next = 0
  for (const id of ids) {
    const trait = readsDocuments ? traits.get(id) : undefined
    const isUnread = readsDocuments && trait === undefined
    // Consul returns holders sorted too, so the next key is usually the right one: a comparison is faster than a lookup.
    const who = id === known[next] ? by[next++] : holders.get(id)
    const holder = who === undefined ? -1 : (numbers.get(who) ?? -1)
    const pin = pins.size > 0 ? (numbers.get(pins.get(id) ?? '') ?? -1) : -1
    const avoid = avoided.size > 0 ? (numbers.get(avoided.get(id) ?? '') ?? -1) : -1
    // A partition of a few rules and nothing else has a number for its key: it is found faster than a text.
    let few = 1
    let mask = ''
    for (const select of selects) {
      const is = select(id, trait)
      if (selects.length <= 20) few = few * 2 + (is ? 1 : 0)
      else mask += is ? '1' : '0'
    }
    const price = cost(id)
    let priced = prices.get(price)
    if (priced === undefined) {
      priced = prices.size
      prices.set(price, priced)
    }
    const own = apart.length === 0 ? noGroups : groupsOf(id, trait)
    const isPlain = mask === '' && own.length === 0 && pin < 0 && avoid < 0 && !isUnread && priced < 4096
    const key = isPlain
      ? few * 4096 + priced
      : `${few} ${mask} ${price} ${own.join()} ${pin} ${avoid} ${isUnread ? `unread ${holder}` : ''}`
    let kind = found.get(key)
    if (kind === undefined) {
      kind = {
        ids: [],
        holders: [],
        price,
        groups: own,
        pin,
        avoid,
        unreadOf: isUnread ? holder : null,
        id,
        trait,
        held: new Int32Array(members.length + 1),
      }
      found.set(key, kind)
    }
    kind.ids.push(id)
    kind.holders.push(holder)
    if (holder >= 0) kind.held[holder] = (kind.held[holder] as number) + 1
  }

  const drafts = [...found.values()]
  const weights = factors(members.map(({ weight }) => weight))
  const unit = unitOf(drafts, Math.max(1, ...weights))
  const finished = drafts.map(draft => finish(draft, { members, only, prefer, spreads, unit }))
  return { kinds: finished, groups, spreads, unit, factors: weights }
}

/** From so many different costs on they are rounded, so that there are not as many kinds as partitions. */
const manyPrices = 200

/** The cost of each partition. Many different ones are rounded up to two digits: no limit is exceeded by that. */
function pricesOf({ rules, traits }: Asked, ids: readonly string[]): (id: string) => number {
  if (rules.cost.length === 0) return () => 1
  const cost = costOf(rules.cost)
  if (rules.cost.every(rule => 'is' in rule)) return id => cost(id, traits.get(id))
  const prices = new Map(ids.map(id => [id, cost(id, traits.get(id))]))
  if (new Set(prices.values()).size > manyPrices) for (const [id, price] of prices) prices.set(id, roundedUp(price))
  return id => prices.get(id) as number
}

/** To two digits: 1234 becomes 1300. */
function roundedUp(price: number): number {
  const digit = 10 ** (Math.floor(Math.log10(price)) - 1)
  return Number((Math.ceil(price / digit - 1e-9) * digit).toPrecision(2))
}

interface Draft {
  readonly ids: string[]
  readonly holders: number[]
  readonly price: number
  readonly groups: readonly number[]
  readonly pin: number
  readonly avoid: number
  /** The document is not known: who holds the partition, -1 for nobody. Null where it is known, or nobody asks. */
  readonly unreadOf: number | null
  /** The first of them: all others fit the same rules. */
  readonly id: string
  readonly trait: Trait | undefined
  readonly held: Int32Array
}

interface Made {
  readonly members: readonly PlacedMember[]
  readonly only: readonly OnlyRule[]
  readonly prefer: readonly PreferRule[]
  readonly spreads: readonly SpreadRule[]
  readonly unit: number
}

function finish(draft: Draft, { members, only, prefer, spreads, unit }: Made): Kind {
  const { ids, holders, price, groups, pin, avoid, unreadOf, id, trait, held } = draft
  const filters = only.filter(rule => rule.selects(id, trait))
  const refusal = (member: number): Refusal | null => {
    if (unreadOf !== null) return member === unreadOf ? null : unread
    const rule = filters.find(({ refusals }) => refusals[member])
    if (rule) return rule.refusals[member] as Refusal
    return pin >= 0 && pin !== member ? notPinned((members[pin] as PlacedMember).instance) : null
  }
  const preferred = prefer.filter(rule => rule.selects(id, trait))
  const points = (member: number) => preferred.reduce((sum, rule) => sum + (rule.points[member] as number), 0)
  const limited = (sum: number) => Math.max(-mostPoints, Math.min(mostPoints, sum))
  return {
    ids,
    holders,
    cost: Math.max(1, Math.round(price * unit)),
    groups,
    spreads: spreads.flatMap((rule, at) => (rule.selects(id, trait) ? [at] : [])),
    // Nobody, the last one, refuses none.
    allowed: Uint8Array.from({ length: members.length + 1 }, (_, at) => Number(at === members.length || !refusal(at))),
    points: preferred.length > 0 ? Int32Array.from(members, (_, at) => limited(points(at))) : null,
    avoided: avoid,
    held,
    refusal,
  }
}

/** Units of cost per 1, so that costs are whole numbers, and the squares of loads times a factor stay exact. */
function unitOf(drafts: readonly Draft[], factor: number): number {
  const unit = decimals(new Set(drafts.map(({ price }) => price))) ?? 1000
  const total = drafts.reduce((sum, { ids, price }) => sum + ids.length * price, 0) * unit
  const most = Math.sqrt(2 ** 49 / factor)
  return total > most ? (unit * most) / total : unit
}
