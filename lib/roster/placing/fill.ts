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
  let sides = sidesIn(board, spreads, open)
  while (board.count(at, nobody) > 0 && sides.length > 0) {
    const best = cheapest(board, at, sides)
    board.move(at, nobody, best.member)
    if (groups.length > 0) {
      open = open.filter(member => board.mayTake(at, member))
      sides = sidesIn(board, spreads, open)
    } else if (!board.hasRoom(at, best.member)) {
      best.side.splice(best.side.indexOf(best.member), 1)
      if (best.side.length === 0) sides.splice(sides.indexOf(best.side), 1)
    }
  }
}

/** The members by the values of these rules: spread cannot tell those of one side apart. */
function sidesIn(board: Board, spreads: readonly number[], members: readonly number[]): number[][] {
  const { of } = board.sides(spreads)
  return [...Map.groupBy(members, member => of[member]).values()]
}

function cheapest(board: Board, at: number, sides: readonly number[][]): { side: number[]; member: number } {
  const { cost } = board.kind(at)
  const { nobody, load, factor } = board
  const prices = sides.map(([first]) => board.spread(at, nobody, first as number))
  const least = Math.min(...prices)
  let side = sides[0] as number[]
  let best = -1
  let lowest = Number.POSITIVE_INFINITY
  let last = 0
  for (let place = 0; place < sides.length; place++) {
    if (prices[place] !== least) continue
    for (const member of sides[place] as number[]) {
      const balance = (factor[member] as number) * cost * (2 * (load[member] as number) + cost)
      if (balance > lowest) continue
      const taking = board.takingLast(at, member)
      if (balance === lowest && taking >= last) continue
      side = sides[place] as number[]
      best = member
      lowest = balance
      last = taking
    }
  }
  return { side, member: best }
}
