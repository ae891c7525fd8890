/** A first placement: everything stays where it is as far as the hard rules allow, and the rest goes where it costs least. */

import type { Board } from './board.ts'

export function fill(board: Board): void {
  const order = mostRefusedFirst(board)
  for (const kind of order) keepHeld(board, kind)
  for (const kind of order) placeRest(board, kind)
}

/** Kinds that few members may have come first, then the heavy ones: they fit in fewest places. */
function mostRefusedFirst({ kinds }: Board): number[] {
  const allowed = kinds.map(kind => kind.allowed.reduce((sum, one) => sum + one, 0))
  const at = (list: readonly number[], kind: number) => list[kind] as number
  const costs = kinds.map(kind => kind.cost)
  return [...kinds.keys()].sort((a, b) => at(allowed, a) - at(allowed, b) || at(costs, b) - at(costs, a) || a - b)
}

function keepHeld(board: Board, at: number): void {
  const { held, allowed, groups, cost } = board.kind(at)
  for (let member = 0; member < board.nobody; member++) {
    const count = held[member] as number
    if (count === 0 || allowed[member] === 0) continue
    const number = (board.most[member] as number) - (board.number[member] as number)
    const price = Math.floor(((board.mostCost[member] as number) - (board.load[member] as number)) / cost)
    const free = Math.max(0, Math.min(count, number, price))
    if (groups.length === 0) board.move(at, board.nobody, member, free)
    else for (let one = 0; one < free && board.isApart(at, member); one++) board.move(at, board.nobody, member)
  }
}

/** One after the other to the member where it makes spread, and then balance, least worse. */
function placeRest(board: Board, at: number): void {
  const { groups, avoided, spreads } = board.kind(at)
  const { nobody } = board
  if (board.count(at, nobody) === 0) return
  let open = Array.from({ length: nobody }, (_, member) => member).filter(member => board.mayTake(at, member))
  // A cool-down is wanted before spread, and concerns one member: the others come first.
  if (avoided >= 0 && open.length > 1) open = open.filter(member => member !== avoided)
  let sides = sidesIn(board, at, spreads, open)
  while (board.count(at, nobody) > 0 && sides.length > 0) {
    const side = cheapest(board, at, sides)
    board.move(at, nobody, side.first)
    if (groups.length > 0) {
      open = open.filter(member => board.mayTake(at, member))
      sides = sidesIn(board, at, spreads, open)
    } else {
      side.settle(board.hasRoom(at, side.first))
      if (side.size === 0) sides.splice(sides.indexOf(side), 1)
    }
  }
}

/** The members by the values of these rules: spread cannot tell those of one side apart. */
function sidesIn(board: Board, at: number, spreads: readonly number[], members: readonly number[]): Side[] {
  const { of } = board.sides(spreads)
  return [...Map.groupBy(members, member => of[member]).values()].map(own => new Side(board, at, own))
}

/** The side whose first member is to have the next one. */
function cheapest(board: Board, at: number, sides: readonly Side[]): Side {
  let best = sides[0] as Side
  let least = Number.POSITIVE_INFINITY
  for (const side of sides) {
    const price = board.spread(at, board.nobody, side.first)
    if (price > least || (price === least && !side.isBefore(best))) continue
    best = side
    least = price
  }
  return best
}

/** The members of one side in a binary heap: first the one where one more of the kind makes balance least worse. */
class Side {
  readonly #board: Board
  readonly #at: number
  readonly #members: Int32Array
  /** By member. */
  readonly #balance: Float64Array
  readonly #last: Float64Array
  size: number

  constructor(board: Board, at: number, members: readonly number[]) {
    this.#board = board
    this.#at = at
    this.#members = Int32Array.from(members)
    this.#balance = new Float64Array(board.nobody)
    this.#last = new Float64Array(board.nobody)
    this.size = members.length
    for (const member of members) this.#weigh(member)
    for (let place = this.size >> 1; place >= 0; place--) this.#sink(place)
  }

  get first(): number {
    return this.#members[0] as number
  }

  /** Whether its first member comes before the other side's, where spread is the same. */
  isBefore(other: Side): boolean {
    const [a, b] = [this.first, other.first]
    const difference =
      (this.#balance[a] as number) - (other.#balance[b] as number) ||
      (this.#last[a] as number) - (other.#last[b] as number)
    return difference < 0
  }

  /** After the first member was given one. @param stays whether it has room for another */
  settle(stays: boolean): void {
    if (stays) this.#weigh(this.first)
    else this.#members[0] = this.#members[--this.size] as number
    this.#sink(0)
  }

  #weigh(member: number): void {
    const { load, factor } = this.#board
    const { cost } = this.#board.kind(this.#at)
    this.#balance[member] = (factor[member] as number) * cost * (2 * (load[member] as number) + cost)
    this.#last[member] = this.#board.takingTied(this.#at, member)
  }

  #isLess(a: number, b: number): boolean {
    const balance = (this.#balance[a] as number) - (this.#balance[b] as number)
    if (balance !== 0) return balance < 0
    const last = (this.#last[a] as number) - (this.#last[b] as number)
    return last !== 0 ? last < 0 : a < b
  }

  #sink(from: number): void {
    const members = this.#members
    const member = members[from] as number
    let place = from
    for (;;) {
      let next = 2 * place + 1
      if (next >= this.size) break
      if (next + 1 < this.size && this.#isLess(members[next + 1] as number, members[next] as number)) next++
      if (!this.#isLess(members[next] as number, member)) break
      members[place] = members[next] as number
      place = next
    }
    members[place] = member
  }
}
