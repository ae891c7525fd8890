/**
 * Which partitions of a kind each member has, where the numbers are known: it keeps what it holds, but for its worst-scored
 * ones; the others ask the best-scored member with room, as without rules.
 */

import { ask, surplus } from '../sticky.ts'
import type { Kind } from './kinds.ts'

/**
 * Writes the partitions of the kind into `placed`; those that are left have no member.
 * @param counts how many of the kind each member has
 */
export function nameKind(
  { ids, holders }: Kind,
  counts: Int32Array,
  { instances, hashes }: Names,
  placed: Map<string, string>,
): string[] {
  const room = counts.slice(0, instances.length)
  const held: number[][] = instances.map(() => [])
  let rest: number[] = []
  for (let at = 0; at < ids.length; at++) (held[holders[at] as number] ?? rest).push(at)
  const take = (lists: readonly (readonly number[])[]) =>
    lists.flatMap((list, member) => {
      const gone = surplus(list, ids, hashes[member] as number, room[member] as number)
      const instance = instances[member] as string
      const away = gone.length > 0 ? new Set(gone) : null
      for (const at of list) if (!away?.has(at)) placed.set(ids[at] as string, instance)
      room[member] = (room[member] as number) - (list.length - gone.length)
      return gone
    })
  rest = rest.concat(take(held))
  for (;;) {
    const open = [...room.keys()].filter(member => (room[member] as number) > 0)
    if (rest.length === 0 || open.length === 0) return rest.map(at => ids[at] as string)
    rest = take(
      ask(
        rest.sort((a, b) => a - b),
        ids,
        hashes,
        open,
      ),
    )
  }
}

export interface Names {
  readonly instances: readonly string[]
  readonly hashes: readonly number[]
}
