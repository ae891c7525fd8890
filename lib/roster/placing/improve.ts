/** Single moves and exchanges of two partitions, until none of them makes the placement better. */

import { type Board, isLess, type Price } from './board.ts'

/** What work may still be done: the same number on every machine, so that all stop at the same placement. */
export interface Budget {
  left: number
}

const noRules: readonly number[] = []
const nothing: Price = { first: 0, spread: 0, balance: 0, last: 0 }

export function improve(board: Board, budget: Budget): void {
  do while (singleMoves(board, budget));
  while (exchanges(board, budget))
}

function singleMoves(board: Board, budget: Budget): boolean {
  let changed = false
  for (const kind of heaviestFirst(board)) {
    while (budget.left > 0) {
      const best = board.kind(kind).groups.length > 0 ? bestOfGroup(board, kind, budget) : bestMove(board, kind, budget)
      if (best === null) break
      board.move(kind, best.from, best.to)
      changed = true
    }
  }
  return changed
}

/** Of heavy ones fewer have to move. */
function heaviestFirst({ kinds }: Board): number[] {
  const costs = kinds.map(({ cost }) => cost)
  return [...kinds.keys()].sort((a, b) => (costs[b] as number) - (costs[a] as number) || a - b)
}

interface Move {
  readonly from: number
  readonly to: number
}

/** The best move of one of the kind that makes it better; null when none does. */
function bestMove(board: Board, kind: number, budget: Budget): Move | null {
  const { cost, allowed, spreads } = board.kind(kind)
  const sides = board.sides(spreads)
  budget.left -= board.size + sides.count ** 2
  const from = new Best(sides.count)
  const to = new Best(sides.count)
  for (let member = 0; member < board.size; member++) {
    const side = sides.of[member] as number
    if (board.count(kind, member) > 0) {
      const first = -board.takingFirst(kind, member)
      from.offer(side, member, first, board.balance(member, -cost), board.givingTied(kind, member))
    }
    if (member !== board.nobody && allowed[member] === 1 && board.hasRoom(kind, member)) {
      const first = board.takingFirst(kind, member)
      to.offer(side, member, first, board.balance(member, cost), board.takingTied(kind, member))
    }
  }
  return bestPair(from, to, (a, b) => board.spread(kind, a, b))
}

/** The same where others of a group are in the way: every pair is looked at. */
function bestOfGroup(board: Board, kind: number, budget: Budget): Move | null {
  let best: Move | null = null
  let price = nothing
  const { allowed } = board.kind(kind)
  for (let from = 0; from < board.size; from++) {
    if (board.count(kind, from) === 0) continue
    budget.left -= board.size
    for (let to = 0; to < board.nobody; to++) {
      if (to === from || allowed[to] === 0 || !board.hasRoom(kind, to) || !board.isApart(kind, to, from)) continue
      const found = board.moving(kind, from, to)
      if (!isLess(found, price)) continue
      best = { from, to }
      price = found
    }
  }
  return best
}

/** Exchanges of two partitions of different kinds. */
function exchanges(board: Board, budget: Budget): boolean {
  let changed = false
  const alike = alikeIn(board)
  for (let a = 0; a < board.kinds.length; a++) {
    for (let b = a + 1; b < board.kinds.length && budget.left > 0; b++) {
      if (!board.hasTies && alike[a] === alike[b] && alike[a] !== unlike) continue
      budget.left -= 1
      while (budget.left > 0) {
        const grouped = board.kind(a).groups.length + board.kind(b).groups.length > 0
        const best = grouped ? exchangeOfGroups(board, a, b, budget) : exchange(board, a, b, budget)
        if (best === null) break
        board.move(a, best.from, best.to)
        board.move(b, best.to, best.from)
        changed = true
      }
    }
  }
  return changed
}

/** The number of a kind that is like no other. */
const unlike = -1

/**
 * Kinds with the same number cost and prefer the same, and nothing of them could come back to its holder: an exchange of two
 * such partitions makes nothing better.
 */
function alikeIn(board: Board): Int32Array {
  const numbers = new Map<string, number>()
  return Int32Array.from(board.kinds, ({ cost, spreads, points, avoided, held }, at) => {
    if (held.some((count, member) => board.count(at, member) < count)) return unlike
    const name = `${cost} ${spreads.join()} ${points?.join()} ${avoided}`
    const number = numbers.get(name) ?? numbers.size
    numbers.set(name, number)
    return number
  })
}

/** The best exchange of one of kind `a` on `from` for one of kind `b` on `to`; null when none is better. */
function exchange(board: Board, a: number, b: number, budget: Budget): Move | null {
  const [one, other] = [board.kind(a), board.kind(b)]
  // A rule that is for both is not touched.
  const ofOne = one.spreads.filter(rule => !other.spreads.includes(rule))
  const ofOther = other.spreads.filter(rule => !one.spreads.includes(rule))
  const sides = board.sides(ofOne.length + ofOther.length === 0 ? noRules : [...ofOne, ...ofOther])
  budget.left -= board.size + sides.count ** 2
  const from = new Best(sides.count)
  const to = new Best(sides.count)
  const side = (at: number) => sides.of[at] as number
  for (let member = 0; member < board.size; member++) {
    if (mayExchange(board, a, b, member)) offerHalf(board, a, b, member, side(member), from)
    if (mayExchange(board, b, a, member)) offerHalf(board, b, a, member, side(member), to)
  }
  if (ofOne.length + ofOther.length === 0) return bestPair(from, to, () => 0)
  return bestPair(from, to, (m, n) => exchanged(board, a, b, m, n))
}

function exchangeOfGroups(board: Board, a: number, b: number, budget: Budget): Move | null {
  let best: Move | null = null
  let price = nothing
  for (let from = 0; from < board.size; from++) {
    budget.left -= 1
    const gives = halfExchange(board, a, b, from)
    if (gives === null) continue
    for (let to = 0; to < board.size; to++) {
      budget.left -= 1
      const takes = from === to ? null : halfExchange(board, b, a, to)
      if (takes === null || !staysApart(board, a, b, from, to)) continue
      const found = {
        first: gives.first + takes.first,
        spread: exchanged(board, a, b, from, to),
        balance: gives.balance + takes.balance,
        last: gives.last + takes.last,
      }
      if (!isLess(found, price)) continue
      best = { from, to }
      price = found
    }
  }
  return best
}

/** Whether a member may give one of `gives` and take one of `takes`, but for groups. */
function mayExchange(board: Board, gives: number, takes: number, member: number): boolean {
  if (board.count(gives, member) === 0 || board.kind(takes).allowed[member] === 0) return false
  const change = board.kind(takes).cost - board.kind(gives).cost
  return (board.load[member] as number) + change <= (board.mostCost[member] as number)
}

function offerHalf(board: Board, gives: number, takes: number, member: number, side: number, best: Best): void {
  const change = board.kind(takes).cost - board.kind(gives).cost
  const first = board.takingFirst(takes, member) - board.takingFirst(gives, member)
  const last = board.givingTied(gives, member) + board.takingTied(takes, member)
  best.offer(side, member, first, change === 0 ? 0 : board.balance(member, change), last)
}

/** The price of that; null when it may not. */
function halfExchange(board: Board, gives: number, takes: number, member: number): Omit<Price, 'spread'> | null {
  if (!mayExchange(board, gives, takes, member)) return null
  const change = board.kind(takes).cost - board.kind(gives).cost
  const first = board.takingFirst(takes, member) - board.takingFirst(gives, member)
  const balance = change === 0 ? 0 : board.balance(member, change)
  return { first, balance, last: board.givingTied(gives, member) + board.takingTied(takes, member) }
}

function staysApart(board: Board, a: number, b: number, from: number, to: number): boolean {
  board.move(a, from, board.nobody)
  board.move(b, to, board.nobody)
  const is = board.isApart(a, to) && board.isApart(b, from) && !isMeeting(board, a, b, from, to)
  board.move(a, board.nobody, from)
  board.move(b, board.nobody, to)
  return is
}

/** Both have a group in common, and the two members are on one value of it. */
function isMeeting(board: Board, a: number, b: number, from: number, to: number): boolean {
  if (from === board.nobody || to === board.nobody) return false
  const common = board.kind(a).groups.filter(group => board.kind(b).groups.includes(group))
  return common.some(group => board.all.groups[group]?.values[from] === board.all.groups[group]?.values[to])
}

/** How spread changes by an exchange: one after the other, since both may be of one rule. */
function exchanged(board: Board, a: number, b: number, from: number, to: number): number {
  const there = board.spread(a, from, to)
  board.move(a, from, to)
  const back = board.spread(b, to, from)
  board.move(a, to, from)
  return there + back
}

/** The best member of each side. */
class Best {
  readonly member: Int32Array
  readonly first: Float64Array
  readonly balance: Float64Array
  readonly last: Float64Array

  constructor(sides: number) {
    this.member = new Int32Array(sides).fill(-1)
    this.first = new Float64Array(sides)
    this.balance = new Float64Array(sides)
    this.last = new Float64Array(sides)
  }

  offer(side: number, member: number, first: number, balance: number, last: number): void {
    if (this.member[side] !== -1) {
      if (first !== this.first[side]) {
        if (first > (this.first[side] as number)) return
      } else if (balance !== this.balance[side]) {
        if (balance > (this.balance[side] as number)) return
      } else if (last >= (this.last[side] as number)) return
    }
    this.member[side] = member
    this.first[side] = first
    this.balance[side] = balance
    this.last[side] = last
  }
}

/**
 * The best pair of a side that gives and a side that takes; null when it makes nothing better. Spread depends on the sides
 * alone, and all else is a sum of what each of the two members has to say: so the best of each side are enough. Where both are
 * the same member, the sum says no better than "nothing changes".
 */
function bestPair(from: Best, to: Best, spread: (from: number, to: number) => number): Move | null {
  let best: Move | null = null
  let price = nothing
  for (let a = 0; a < from.member.length; a++) {
    const giver = from.member[a] as number
    if (giver < 0) continue
    for (let b = 0; b < to.member.length; b++) {
      const taker = to.member[b] as number
      if (taker < 0 || taker === giver) continue
      const found = {
        first: (from.first[a] as number) + (to.first[b] as number),
        spread: spread(giver, taker),
        balance: (from.balance[a] as number) + (to.balance[b] as number),
        last: (from.last[a] as number) + (to.last[b] as number),
      }
      if (!isLess(found, price)) continue
      best = { from: giver, to: taker }
      price = found
    }
  }
  return best
}
