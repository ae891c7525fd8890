/**
 * What members hold, are asked for and give up. Members and partitions are numbered in the order of their names, and
 * `Lists` has one list of partitions for each member.
 */
import { best, hash, score } from './rendezvous.ts'

export type Lists = readonly (readonly number[])[]

/** The partitions in the order of their names, each once. */
export function distinct(partitions: readonly string[]): string[] {
  const sorted = partitions.toSorted()
  return sorted.every((partition, at) => partition !== sorted[at - 1]) ? sorted : [...new Set(sorted)]
}

/** The partitions each member holds at present, and those that no member holds. */
export function present(
  ids: readonly string[],
  instances: readonly string[],
  holders: ReadonlyMap<string, string>,
): { held: Lists; pool: readonly number[] } {
  const numbers = new Map(instances.map((instance, member) => [instance, member]))
  const held: number[][] = instances.map(() => [])
  const pool: number[] = []
  // Holders mostly come sorted as well, from Consul: then the next is the one, and comparing is faster than looking up.
  const known = [...holders.keys()]
  const by = [...holders.values()]
  let next = 0
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at] as string
    const holder = id === known[next] ? by[next++] : holders.get(id)
    const list = held[numbers.get(holder as string) as number] ?? pool
    list.push(at)
  }
  return { held, pool }
}

/** Each partition of the pool asks the best-scored of the members `open`. `hashes` are those of all members. */
export function ask(
  pool: readonly number[],
  ids: readonly string[],
  hashes: readonly number[],
  open: readonly number[],
): Lists {
  const lists: number[][] = hashes.map(() => [])
  const candidates = open.map(member => hashes[member] as number)
  for (const at of pool) lists[open[best(hash(ids[at] as string), candidates)] as number]?.push(at)
  return lists
}

/**
 * What stays of a list when its member, given by its hash, has room for so many: the best-scored, and of equals the
 * first by name; the others go. The list and both parts are in the order of names.
 */
export function fit(
  list: readonly number[],
  ids: readonly string[],
  instance: number,
  room: number,
): { stay: readonly number[]; go: readonly number[] } {
  if (list.length <= room) return { stay: list, go: [] }
  const scores = new Int32Array(list.length)
  for (let at = 0; at < list.length; at++) scores[at] = score(hash(ids[list[at] as number] as string), instance)
  const sorted = scores.toSorted()
  const edge = sorted[list.length - room] ?? Infinity
  let equals = sorted.lastIndexOf(edge) + 1 - (list.length - room)
  const stay: number[] = []
  const go: number[] = []
  for (let at = 0; at < list.length; at++) {
    const points = scores[at] as number
    const stays = points > edge || (points === edge && equals-- > 0)
    ;(stays ? stay : go).push(list[at] as number)
  }
  return { stay, go }
}
