/**
 * Placement by rules: who should have what, where `only`, `prefer`, `spread`, `apart`, `cost`, `maxCost` or pins are in force.
 * Pure. What is wanted, in this order: the hard rules; as many partitions placed as possible; no partition where a cool-down
 * keeps it away; spread; balance by weight; few moves; prefer. A service without rules never loads this file.
 */

import { Board } from './placing/board.ts'
import { chains } from './placing/chains.ts'
import { fill } from './placing/fill.ts'
import { type Budget, improve } from './placing/improve.ts'
import { type Asked, kindsOf } from './placing/kinds.ts'
import { nameKind } from './placing/named.ts'
import { whyNot } from './placing/why.ts'
import { hash } from './rendezvous.ts'
import type { Placement } from './rule.ts'
import { noMember } from './rules/balance.ts'
import { distinct } from './sticky.ts'

/** Elementary comparisons: about a second of work, far above what 100,000 partitions with usual rules take. */
const mostWork = 100_000_000

export type { Asked }

/**
 * Independent of the order of members, partitions and holders.
 * @param without how many members take part and do not know the rules: they get nothing
 */
export function place(asked: Asked, without = 0): Placement {
  const members = asked.members.toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
  const ids = distinct(asked.partitions)
  if (members.length + without === 0) return { placed: new Map(), unplaced: new Map(ids.map(id => [id, noMember])) }
  const all = kindsOf({ ...asked, members }, ids)
  const board = new Board(all, members)
  fill(board)
  const budget: Budget = { left: mostWork }
  do improve(board, budget)
  while (chains(board, budget))

  const instances = members.map(({ instance }) => instance)
  const names = { instances, hashes: instances.map(hash) }
  const placed = new Map<string, string>()
  const unplaced = new Map<string, string>()
  for (const [at, kind] of all.kinds.entries()) {
    const left = nameKind(kind, board.counts[at] as Int32Array, names, placed)
    if (left.length === 0) continue
    const why = whyNot(board, at, without)
    for (const id of left) unplaced.set(id, why)
  }
  return { placed, unplaced }
}

/** Why a member may not have a partition, by `only` or a pin: in words that go after its name; null when it may. */
export function refusalsOf(asked: Asked): (id: string, instance: string) => string | null {
  const members = asked.members.toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
  const { kinds } = kindsOf({ ...asked, members }, distinct(asked.partitions))
  const kindOf = new Map(kinds.flatMap(kind => kind.ids.map(id => [id, kind] as const)))
  return (id, instance) => {
    const at = members.findIndex(one => one.instance === instance)
    return at < 0 ? null : (kindOf.get(id)?.refusal(at)?.one ?? null)
  }
}
