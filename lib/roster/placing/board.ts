/** How many of each kind every member has, and what a change would be worth. */

import type { PlacedMember } from '../member.ts'
import { hash, score } from '../rendezvous.ts'
import { limitsOf } from '../rules/limits.ts'
import type { Kind, Kinds } from './kinds.ts'

/**
 * What is wanted, in this order; less is better. `first`: partitions without a place, then those where they are to be avoided.
 * `last`: moves, then less preferred members, then what ties say. Each is a whole number, so that sums are exact.
 */
export interface Price {
  first: number
  spread: number
  balance: number
  last: number
}

const unplaced = 2 ** 24
/** One point of `prefer` is more than all that ties say of an exchange. */
const point = 2 ** 12
const moved = 2 ** 24
const mostTie = 2 ** 10
/** With more kinds the search would take too long, or with more partitions while all of them are without a holder. */
const mostTied = 100
const fewPartitions = 1000

export function isLess(a: Price, b: Price): boolean {
  if (a.first !== b.first) return a.first < b.first
  if (a.spread !== b.spread) return a.spread < b.spread
  if (a.balance !== b.balance) return a.balance < b.balance
  return a.last < b.last
}

export const free: Readonly<Price> = { first: 0, spread: 0, balance: 0, last: 0 }

export interface Sides {
  /** For each member, the number of its side; nobody has one of its own. */
  readonly of: Int32Array
  readonly count: number
}

export class Board {
  readonly kinds: readonly Kind[]
  readonly all: Kinds
  /** Members, and after them nobody. */
  readonly size: number
  readonly nobody: number
  /** counts[kind][member] */
  readonly counts: readonly Int32Array[]
  readonly load: Float64Array
  readonly number: Int32Array
  readonly factor: Float64Array
  readonly most: Float64Array
  readonly mostCost: Float64Array
  /** inValue[spread rule][value] */
  readonly inValue: readonly Int32Array[]
  /** The kinds of each group. */
  readonly inGroup: readonly number[][]
  /** taken[group][value] */
  readonly taken: readonly Int32Array[]

  /**
   * All partitions cost the same. Wanted is then the least sum of load² / weight. Otherwise a load that is within half of the
   * largest cost from the member's share is as good as any: a little more balance is not worth a move.
   */
  readonly isUniform: boolean
  /** Whether ties say anything: not of very many kinds, nor of many partitions of which nobody holds any. */
  readonly hasTies: boolean
  readonly #sides = new Map<string, Sides>()
  /** Twice the share of each member by weight. */
  readonly #share: Float64Array
  readonly #largest: number
  readonly #hashes: readonly number[]
  readonly #ties: Int32Array[] = []

  constructor(all: Kinds, members: readonly PlacedMember[]) {
    this.all = all
    this.kinds = all.kinds
    this.#hashes = members.map(({ instance }) => hash(instance))
    this.nobody = members.length
    this.size = members.length + 1
    const isFew = all.kinds.reduce((sum, { ids }) => sum + ids.length, 0) <= fewPartitions
    const isHeld = isFew || all.kinds.some(({ held }) => held.some(count => count > 0))
    this.hasTies = isHeld && all.kinds.length <= mostTied
    this.counts = all.kinds.map(() => new Int32Array(this.size))
    this.load = new Float64Array(this.size)
    this.number = new Int32Array(this.size)
    this.factor = Float64Array.from([...all.factors, 0])
    const { most, mostCost } = limitsOf(members, all.unit)
    this.isUniform = all.kinds.every(({ cost }) => cost === all.kinds[0]?.cost)
    this.#largest = all.kinds.reduce((largest, { cost }) => Math.max(largest, cost), 0)
    const cost = all.kinds.reduce((sum, kind) => sum + kind.ids.length * kind.cost, 0)
    const weight = all.factors.reduce((sum, factor) => sum + 1 / factor, 0)
    this.#share = Float64Array.from([...all.factors.map(factor => Math.round((2 * cost) / factor / weight)), 0])
    this.most = Float64Array.from([...most, Number.POSITIVE_INFINITY])
    this.mostCost = Float64Array.from([...mostCost, Number.POSITIVE_INFINITY])
    this.inValue = all.spreads.map(({ factors }) => new Int32Array(factors.length))
    this.inGroup = all.groups.map(() => [])
    for (const [at, { groups }] of all.kinds.entries()) for (const group of groups) this.inGroup[group]?.push(at)
    this.taken = all.groups.map(({ count }) => new Int32Array(count))
    for (const [kind, { ids }] of all.kinds.entries()) (this.counts[kind] as Int32Array)[this.nobody] = ids.length
  }

  count(kind: number, member: number): number {
    return this.counts[kind]?.[member] as number
  }

  kind(kind: number): Kind {
    return this.kinds[kind] as Kind
  }

  /** Whether the member may have one more of the kind, with regard to groups, when `from` gives it away. */
  isApart(kind: number, to: number, from = this.nobody): boolean {
    if (to === this.nobody) return true
    for (const group of this.kind(kind).groups) {
      const { values } = this.all.groups[group] as Kinds['groups'][number]
      const value = values[to] as number
      const own = from !== this.nobody && values[from] === value ? 1 : 0
      if ((this.taken[group]?.[value] as number) > own) return false
    }
    return true
  }

  hasRoom(kind: number, member: number): boolean {
    return (
      (this.number[member] as number) < (this.most[member] as number) &&
      (this.load[member] as number) + this.kind(kind).cost <= (this.mostCost[member] as number)
    )
  }

  mayTake(kind: number, member: number): boolean {
    return this.kind(kind).allowed[member] === 1 && this.hasRoom(kind, member) && this.isApart(kind, member)
  }

  /** How the balance changes when the member's load does. */
  balance(member: number, change: number): number {
    const load = this.load[member] as number
    const factor = this.factor[member] as number
    if (this.isUniform) return factor * change * (2 * load + change)
    return factor * (this.#beyond(member, load + change) ** 2 - this.#beyond(member, load) ** 2)
  }

  /** How far a load is from the member's share, in half units, beyond what the largest cost explains. */
  #beyond(member: number, load: number): number {
    return Math.max(0, Math.abs(2 * load - (this.#share[member] as number)) - this.#largest)
  }

  /** What taking one more of the kind is worth, without balance and spread. */
  taking(kind: number, member: number): { first: number; last: number } {
    return { first: this.takingFirst(kind, member), last: this.takingLast(kind, member) }
  }

  takingFirst(kind: number, member: number): number {
    if (member === this.nobody) return unplaced
    return this.kind(kind).avoided === member ? 1 : 0
  }

  takingLast(kind: number, member: number): number {
    if (member === this.nobody) return 0
    const { held, points } = this.kind(kind)
    const comesBack = this.count(kind, member) < (held[member] as number)
    return (comesBack ? -moved : 0) - (points === null ? 0 : (points[member] as number))
  }

  /** The same for giving one away. */
  giving(kind: number, member: number): { first: number; last: number } {
    return { first: -this.takingFirst(kind, member), last: this.givingLast(kind, member) }
  }

  givingLast(kind: number, member: number): number {
    if (member === this.nobody) return 0
    const { held, points } = this.kind(kind)
    const moves = this.count(kind, member) <= (held[member] as number)
    return (moves ? moved : 0) + (points === null ? 0 : (points[member] as number))
  }

  takingTied(kind: number, member: number): number {
    return point * this.takingLast(kind, member) + this.#tie(kind, member)
  }

  givingTied(kind: number, member: number): number {
    return point * this.givingLast(kind, member) - this.#tie(kind, member)
  }

  /**
   * A number of the kind and the member, of which less is better where all else is equal. Without it the order of the search
   * would decide, and a partition could have another target in the middle of hand-overs than before them.
   */
  #tie(kind: number, member: number): number {
    if (member === this.nobody || !this.hasTies) return 0
    let ties = this.#ties[kind]
    if (ties === undefined) {
      const own = hash(this.kind(kind).ids[0] as string)
      ties = Int32Array.from(this.#hashes, one => (score(own, one) >>> 0) % mostTie)
      this.#ties[kind] = ties
    }
    return ties[member] as number
  }

  /** Members with the same values of all these rules of spread are on one side: spread cannot tell them apart. */
  sides(spreads: readonly number[]): Sides {
    const name = spreads.length === 0 ? '' : spreads.join()
    let sides = this.#sides.get(name)
    if (sides === undefined) {
      sides = this.#sidesOf(spreads)
      this.#sides.set(name, sides)
    }
    return sides
  }

  #sidesOf(spreads: readonly number[]): Sides {
    const of = new Int32Array(this.size)
    const known = new Map<string, number>()
    for (let member = 0; member < this.nobody; member++) {
      const name = spreads.map(rule => this.all.spreads[rule]?.values[member]).join()
      const number = known.get(name) ?? known.size
      known.set(name, number)
      of[member] = number
    }
    of[this.nobody] = known.size
    return { of, count: known.size + 1 }
  }

  /** How spread changes when one of the kind goes from a member to another; either may be nobody. */
  spread(kind: number, from: number, to: number): number {
    let change = 0
    for (const rule of this.kind(kind).spreads) {
      const { values, factors } = this.all.spreads[rule] as Kinds['spreads'][number]
      const before = from === this.nobody ? -1 : (values[from] as number)
      const after = to === this.nobody ? -1 : (values[to] as number)
      if (before === after) continue
      const numbers = this.inValue[rule] as Int32Array
      if (after >= 0) change += (factors[after] as number) * (2 * (numbers[after] as number) + 1)
      if (before >= 0) change -= (factors[before] as number) * (2 * (numbers[before] as number) - 1)
    }
    return change
  }

  /** What it is worth that one of the kind goes from a member to another one. */
  moving(kind: number, from: number, to: number): Price {
    const { cost } = this.kind(kind)
    return {
      first: this.takingFirst(kind, to) - this.takingFirst(kind, from),
      spread: this.spread(kind, from, to),
      balance: this.balance(from, -cost) + this.balance(to, cost),
      last: this.givingTied(kind, from) + this.takingTied(kind, to),
    }
  }

  move(kind: number, from: number, to: number, times = 1): void {
    this.#add(kind, from, -times)
    this.#add(kind, to, times)
  }

  /** All that is wanted, of the board as it is. */
  total(): Price {
    const sum = { ...free }
    for (const [at, kind] of this.kinds.entries()) {
      sum.first += unplaced * this.count(at, this.nobody) + (kind.avoided < 0 ? 0 : this.count(at, kind.avoided))
      for (let member = 0; member < this.nobody; member++) {
        const count = this.count(at, member)
        sum.last += moved * Math.max(0, (kind.held[member] as number) - count) - (kind.points?.[member] ?? 0) * count
      }
    }
    for (const [rule, { factors }] of this.all.spreads.entries()) {
      const numbers = this.inValue[rule] as Int32Array
      for (const [value, factor] of factors.entries()) sum.spread += factor * (numbers[value] as number) ** 2
    }
    for (let member = 0; member < this.nobody; member++) {
      sum.balance += (this.factor[member] as number) * (this.load[member] as number) ** 2
    }
    return sum
  }

  #add(kind: number, member: number, change: number): void {
    const { cost, spreads, groups } = this.kind(kind)
    const counts = this.counts[kind] as Int32Array
    counts[member] = (counts[member] as number) + change
    if (member === this.nobody) return
    this.load[member] = (this.load[member] as number) + change * cost
    this.number[member] = (this.number[member] as number) + change
    for (const rule of spreads) {
      const numbers = this.inValue[rule] as Int32Array
      const value = this.all.spreads[rule]?.values[member] as number
      numbers[value] = (numbers[value] as number) + change
    }
    for (const group of groups) {
      const taken = this.taken[group] as Int32Array
      const value = this.all.groups[group]?.values[member] as number
      taken[value] = (taken[value] as number) + change
    }
  }
}
