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
  const { cost, spreads } = board.kind(at)
  const { nobody, load, factor } = board
  const open = Array.from({ length: nobody }, (_, member) => member).filter(member => board.mayTake(at, member))
  // The first price of each member; only that of whoever has just taken one changes, and with spread that of its values.
  const spread = new Float64Array(nobody)
  const first = new Int32Array(nobody)
  const last = new Float64Array(nobody)
  const priced = (member: number) => {
    const taking = board.taking(at, member)
    first[member] = taking.first
    last[member] = taking.last
  }
  const spreadOut = () => {
    for (const member of open) spread[member] = board.spread(at, nobody, member)
  }
  open.forEach(priced)
  spreadOut()
  while (board.count(at, nobody) > 0) {
    let best = -1
    let lowest = 0
    for (let place = 0; place < open.length; place++) {
      const member = open[place] as number
      const balance = (factor[member] as number) * cost * (2 * (load[member] as number) + cost)
      if (best >= 0) {
        const other = open[best] as number
        if (first[member] !== first[other]) {
          if ((first[member] as number) > (first[other] as number)) continue
        } else if (spread[member] !== spread[other]) {
          if ((spread[member] as number) > (spread[other] as number)) continue
        } else if (balance !== lowest) {
          if (balance > lowest) continue
        } else if ((last[member] as number) >= (last[other] as number)) continue
      }
      best = place
      lowest = balance
    }
    if (best < 0) return
    const member = open[best] as number
    board.move(at, nobody, member)
    priced(member)
    if (spreads.length > 0) spreadOut()
    if (board.kind(at).groups.length > 0) {
      for (let place = open.length - 1; place >= 0; place--)
        if (!board.mayTake(at, open[place] as number)) open.splice(place, 1)
    } else if (!board.hasRoom(at, member)) open.splice(best, 1)
  }
}
