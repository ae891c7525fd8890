/**
 * What members hold, are asked for and give up. Members are numbered in the order of their names, and `Lists` has one
 * list of partitions for each; every list is in the order of names too, unless it says otherwise.
 */
import { best, hash, score } from './rendezvous.ts'

export type Lists = readonly (readonly string[])[]

/** The partitions in the order of their names, each once. */
export function distinct(partitions: readonly string[]): string[] {
  const sorted = partitions.toSorted()
  return sorted.every((partition, at) => partition !== sorted[at - 1]) ? sorted : [...new Set(sorted)]
}

/** The partitions each member holds at present, and those that no member holds. */
export function present(
  partitions: readonly string[],
  instances: readonly string[],
  holders: ReadonlyMap<string, string>,
): { held: Lists; pool: readonly string[] } {
  const numbers = new Map(instances.map((instance, at) => [instance, at]))
  const held: string[][] = instances.map(() => [])
  const pool: string[] = []
  // Holders mostly come sorted as well, from Consul: then the next is the one, and comparing is faster than looking up.
  const known = [...holders.keys()]
  const by = [...holders.values()]
  let next = 0
  for (const partition of partitions) {
    const holder = partition === known[next] ? by[next++] : holders.get(partition)
    const list = held[numbers.get(holder as string) as number] ?? pool
    list.push(partition)
  }
  return { held, pool }
}

/** Each partition asks the best-scored of the members `open`. `hashes` are those of all members. */
export function ask(partitions: readonly string[], hashes: readonly number[], open: readonly number[]): Lists {
  const lists: string[][] = hashes.map(() => [])
  const candidates = open.map(at => hashes[at] as number)
  for (const partition of partitions) lists[open[best(hash(partition), candidates)] as number]?.push(partition)
  return lists
}

/**
 * What stays of a list when its member has room for so many: the best-scored, and of equals the first by name; the
 * others go. `instance` is the hash of the member.
 */
export function fit(
  list: readonly string[],
  instance: number,
  room: number,
): { stay: readonly string[]; go: readonly string[] } {
  if (list.length <= room) return { stay: list, go: [] }
  const scores = new Int32Array(list.length)
  for (let at = 0; at < list.length; at++) scores[at] = score(hash(list[at] as string), instance)
  const sorted = scores.toSorted()
  const edge = sorted[list.length - room] ?? Infinity
  let equals = sorted.lastIndexOf(edge) + 1 - (list.length - room)
  const stay: string[] = []
  const go: string[] = []
  for (let at = 0; at < list.length; at++) {
    const points = scores[at] as number
    const stays = points > edge || (points === edge && equals-- > 0)
    ;(stays ? stay : go).push(list[at] as string)
  }
  return { stay, go }
}
