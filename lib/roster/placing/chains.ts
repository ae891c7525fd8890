/**
 * Chains of moves, where a single move or exchange helps no more: one partition takes the place of another, which takes the
 * place of a third. It is a search for cycles of negative price in a graph (minimum-cost flow by cycle cancelling, with
 * Bellman and Ford's shortest paths). Where all partitions cost the same and a partition is in one group at most, no such cycle
 * means that nothing better exists.
 *
 * Nodes are the members, nobody, the kinds, and the ground. An edge member → kind: one of the kind leaves the member. Kind →
 * member: it goes there. Kind → kind: it takes the place of one of the other kind. Member → ground: the member has one more
 * than before. Ground → member: one less.
 */

import { type Board, isLess } from './board.ts'
import type { Budget } from './improve.ts'
import type { Kind } from './kinds.ts'

/** @returns whether anything has changed */
export function chains(board: Board, budget: Budget): boolean {
  // The search knows no spread, one cost for all, and of groups only those whose values are one member each. Where there is more, it only places
  // what has no place: then it finds the same cycles whoever holds what, so that a placement stays as it is once it is there.
  if (!board.isUniform && board.mostCost.some(Number.isFinite)) return false
  if (board.kinds.length === 0) return false // no partitions yet, or no more
  const knowsAll =
    board.isUniform && board.all.spreads.length === 0 && board.kinds.every(kind => hasPlainGroups(board, kind))
  let changed = false
  while (budget.left > 0) {
    const cycle = new Search(board, knowsAll).find(budget)
    if (cycle === null) return changed
    const before = board.total()
    const moves = movesOf(cycle)
    for (const { kind, from, to } of moves) board.move(kind, from, to)
    if (isLess(board.total(), before) && board.taken.every(values => values.every(number => number <= 1))) {
      changed = true
      continue
    }
    for (const { kind, from, to } of moves) board.move(kind, to, from)
    return changed
  }
  return changed
}

function hasPlainGroups(board: Board, { groups }: Kind): boolean {
  if (groups.length > 1) return false
  return groups.every(group => board.all.groups[group]?.count === board.nobody)
}

interface Edge {
  readonly from: Node
  readonly to: Node
  /** Kind → kind: the member on which it happens. */
  readonly on: number
}

type Node = { readonly member: number } | { readonly kind: number } | { readonly ground: true }

interface Moved {
  readonly kind: number
  readonly from: number
  readonly to: number
}

/** The cycle as moves: each kind in it leaves the member before it, or the one on which another took its place. */
function movesOf(cycle: readonly Edge[]): Moved[] {
  return cycle.flatMap((edge, place) => {
    if (!('kind' in edge.from)) return []
    const { kind } = edge.from
    const before = cycle.at(place - 1) as Edge
    const from = 'member' in before.from ? before.from.member : before.on
    return [{ kind, from, to: 'member' in edge.to ? edge.to.member : edge.on }]
  })
}

class Search {
  readonly #board: Board
  readonly #members: number
  readonly #kinds: number
  readonly #ground: number
  readonly #first: Float64Array
  readonly #balance: Float64Array
  readonly #last: Float64Array
  readonly #before: Int32Array
  readonly #on: Int32Array
  /** Otherwise only whether partitions have a place counts. */
  readonly #knowsAll: boolean

  constructor(board: Board, knowsAll: boolean) {
    this.#board = board
    this.#knowsAll = knowsAll
    this.#members = board.size
    this.#kinds = board.kinds.length
    this.#ground = this.#members + this.#kinds
    const nodes = this.#ground + 1
    this.#first = new Float64Array(nodes)
    this.#balance = new Float64Array(nodes)
    this.#last = new Float64Array(nodes)
    this.#before = new Int32Array(nodes).fill(-1)
    this.#on = new Int32Array(nodes).fill(-1)
  }

  find(budget: Budget): Edge[] | null {
    for (let round = 0; round <= this.#ground + 1 && budget.left > 0; round++) {
      budget.left -= this.#members * this.#kinds
      if (!this.#relaxAll()) return null
      const node = this.#onCycle()
      if (node >= 0) return this.#cycleFrom(node)
    }
    return null
  }

  #relaxAll(): boolean {
    const board = this.#board
    let changed = false
    for (let member = 0; member < this.#members; member++) {
      const cost = board.kinds[0]?.cost ?? 1
      const isNobody = member === board.nobody
      if (isNobody || (board.number[member] as number) > 0) {
        changed = this.#relax(this.#ground, member, -1, 0, board.balance(member, -cost), 0) || changed
      }
      if (isNobody || board.hasRoom(0, member)) {
        changed = this.#relax(member, this.#ground, -1, 0, board.balance(member, cost), 0) || changed
      }
    }
    for (let kind = 0; kind < this.#kinds; kind++) {
      for (let member = 0; member < this.#members; member++) changed = this.#relaxKind(kind, member) || changed
    }
    return changed
  }

  #relaxKind(kind: number, member: number): boolean {
    const board = this.#board
    let changed = false
    const node = this.#members + kind
    if (board.count(kind, member) > 0) {
      const { first, last } = board.giving(kind, member)
      changed = this.#relax(member, node, -1, first, 0, last)
    }
    if (board.kind(kind).allowed[member] === 0) return changed
    const { first, last } = board.taking(kind, member)
    if (board.isApart(kind, member)) return this.#relax(node, member, -1, first, 0, last) || changed
    const other = this.#inTheWay(kind, member)
    if (other < 0 || other === kind) return changed
    const given = board.giving(other, member)
    return this.#relax(node, this.#members + other, member, first + given.first, 0, last + given.last) || changed
  }

  /** The one kind on the member whose place it could take; -1 where there is none, or more than one. */
  #inTheWay(kind: number, member: number): number {
    const board = this.#board
    let found = -1
    for (const group of board.kind(kind).groups) {
      if (board.taken[group]?.[board.all.groups[group]?.values[member] as number] === 0) continue
      const other = board.inGroup[group]?.find(at => board.count(at, member) > 0) ?? -1
      if (other < 0 || (found >= 0 && other !== found)) return -1
      found = other
    }
    return found
  }

  #relax(from: number, to: number, on: number, first: number, balance: number, last: number): boolean {
    const a = (this.#first[from] as number) + first
    const b = this.#knowsAll ? (this.#balance[from] as number) + balance : 0
    const c = this.#knowsAll ? (this.#last[from] as number) + last : 0
    if (a !== this.#first[to]) {
      if (a > (this.#first[to] as number)) return false
    } else if (b !== this.#balance[to]) {
      if (b > (this.#balance[to] as number)) return false
    } else if (c >= (this.#last[to] as number)) return false
    this.#first[to] = a
    this.#balance[to] = b
    this.#last[to] = c
    this.#before[to] = from
    this.#on[to] = on
    return true
  }

  /** A node on a cycle of predecessors; -1 when there is none. Such a cycle has a negative price. */
  #onCycle(): number {
    const seen = new Int32Array(this.#before.length)
    for (let start = 0; start < this.#before.length; start++) {
      let node = start
      while (node >= 0 && seen[node] === 0) {
        seen[node] = start + 1
        node = this.#before[node] as number
      }
      if (node >= 0 && seen[node] === start + 1) return node
    }
    return -1
  }

  #cycleFrom(start: number): Edge[] {
    const edges: Edge[] = []
    let node = start
    do {
      const before = this.#before[node] as number
      edges.push({ from: this.#named(before), to: this.#named(node), on: this.#on[node] as number })
      node = before
    } while (node !== start)
    return edges.reverse()
  }

  #named(node: number): Node {
    if (node === this.#ground) return { ground: true }
    return node < this.#members ? { member: node } : { kind: node - this.#members }
  }
}
