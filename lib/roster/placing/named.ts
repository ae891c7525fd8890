/**
 * Which partitions of a kind each member has, where the numbers are known: it keeps what it holds, but for its worst-scored
 * ones; the others take, one after the other, the best-scored member with room. In the middle of hand-overs the result is the
 * same as before them: a member that one of the others would rather have had was full by then, and still is.
 */

import { best, hash } from '../rendezvous.ts'
import { surplus } from '../sticky.ts'
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
  const held: number[][] = instances.map(() => [])
  const rest: number[] = []
  for (let at = 0; at < ids.length; at++) (held[holders[at] as number] ?? rest).push(at)
  const room: number[] = []
  for (let member = 0; member < instances.length; member++) {
    const list = held[member] as number[]
    const gone = surplus(list, ids, hashes[member] as number, counts[member] as number)
    const away = gone.length > 0 ? new Set(gone) : null
    for (const at of list) if (!away?.has(at)) placed.set(ids[at] as string, instances[member] as string)
    for (const at of gone) rest.push(at)
    room.push((counts[member] as number) - (list.length - gone.length))
  }
  return nameRest(
    rest.sort((a, b) => a - b),
    { ids, room, names: { instances, hashes } },
    placed,
  )
}

interface Room {
  readonly ids: readonly string[]
  /** How many more each member has. */
  readonly room: number[]
  readonly names: Names
}

function nameRest(
  rest: readonly number[],
  { ids, room, names: { instances, hashes } }: Room,
  placed: Map<string, string>,
): string[] {
  const open = [...room.keys()].filter(member => (room[member] as number) > 0)
  const candidates = open.map(member => hashes[member] as number)
  let next = 0
  for (; next < rest.length && open.length > 0; next++) {
    const id = ids[rest[next] as number] as string
    const found = best(hash(id), candidates)
    const member = open[found] as number
    placed.set(id, instances[member] as string)
    room[member] = (room[member] as number) - 1
    if (room[member] !== 0) continue
    open.splice(found, 1)
    candidates.splice(found, 1)
  }
  return rest.slice(next).map(at => ids[at] as string)
}

export interface Names {
  readonly instances: readonly string[]
  readonly hashes: readonly number[]
}
