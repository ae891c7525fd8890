/** Why no member gets a partition: how many members refuse it for which reason, in one line. */

import { beside } from '../rules/apart.ts'
import type { Refusal } from '../rules/attribute.ts'
import { full, noRoomForCost } from '../rules/limits.ts'
import type { Board } from './board.ts'

const older: Refusal = { one: 'runs a release without these rules', many: 'run a release without these rules' }
const others: Refusal = { one: 'has only room that others need', many: 'have only room that others need' }

/** "4 members lack meta.gpu; 2 are full". @param without how many members do not know the rules */
export function whyNot(board: Board, kind: number, without: number): string {
  const groups = new Map<string, { refusal: Refusal; count: number }>()
  const add = (refusal: Refusal, count = 1) => {
    const known = groups.get(refusal.many)
    if (known) known.count += count
    else groups.set(refusal.many, { refusal, count })
  }
  for (let member = 0; member < board.nobody; member++) add(refusalOf(board, kind, member))
  if (without > 0) add(older, without)
  return [...groups.values()]
    .sort((a, b) => b.count - a.count || (a.refusal.many < b.refusal.many ? -1 : 1))
    .map(({ refusal, count }, place) => {
      const words = count === 1 ? refusal.one : refusal.many
      return place > 0 ? `${count} ${words}` : `${count} ${count === 1 ? 'member' : 'members'} ${words}`
    })
    .join('; ')
}

function refusalOf(board: Board, kind: number, member: number): Refusal {
  const refused = board.kind(kind).refusal(member)
  if (refused) return refused
  const group = board
    .kind(kind)
    .groups.find(one => (board.taken[one]?.[board.all.groups[one]?.values[member] as number] as number) > 0)
  if (group !== undefined) return beside(board.all.groups[group]?.over as string)
  if ((board.number[member] as number) >= (board.most[member] as number)) return full
  return board.hasRoom(kind, member) ? others : noRoomForCost
}
