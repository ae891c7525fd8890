/**
 * The partitions that each member holds, is asked for and gives up. Members and partitions are numbers, in the order of
 * their names. `Lists` has one list of partitions for each member.
 */
import { best, hash, score } from './rendezvous.ts'

export type Lists = readonly (readonly number[])[]

/** The partitions sorted by name, without duplicates. */
export function distinct(partitions: readonly string[]): string[] {
  const sorted = partitions.toSorted()
  let size = 0
  let last: string | undefined
  for (let at = 0; at < sorted.length; at++) {
    const partition = sorted[at] as string
    if (partition !== last) sorted[size++] = last = partition
  }
  sorted.length = size
  return sorted
}

/** The partitions that each member holds now, and (`pool`) those that no member holds. */
export function present(
  ids: readonly string[],
  instances: readonly string[],
  holders: ReadonlyMap<string, string>,
): { held: Lists; pool: readonly number[] } {
  const held: number[][] = instances.map(() => [])
  const pool: number[] = []
  const listOf = new Map(instances.map((instance, member) => [instance, held[member] as number[]]))
  // Consul returns holders sorted too, so the next key is usually the right one: a comparison is faster than a lookup.
  const known = [...holders.keys()]
  const by = [...holders.values()]
  let next = 0
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at] as string
    const holder = id === known[next] ? by[next++] : holders.get(id)
    const list = listOf.get(holder as string) ?? pool
    list.push(at)
  }
  return { held, pool }
}

/** Each partition of the pool asks the member in `open` with the best score. `hashes` has the hash of every member. */
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
 * The partitions of `list` that do not fit into `room`: the worst-scored ones, and among equals the last by name.
 * `instance` is the hash of the member. List and result are in the order of names.
 */
export function surplus(list: readonly number[], ids: readonly string[], instance: number, room: number): number[] {
  const over = list.length - room
  if (over <= 0) return []
  const scores: number[] = []
  for (let place = 0; place < list.length; place++) {
    scores.push(score(hash(ids[list[place] as number] as string), instance))
  }
  const parted = [...scores]
  const edge = part(parted, over - 1)
  let equals = 0
  for (let at = 0; at < over; at++) if (parted[at] === edge) equals++
  const gone: number[] = []
  for (let at = list.length - 1; at >= 0; at--) {
    const points = scores[at] as number
    if (points < edge || (points === edge && equals-- > 0)) gone.push(list[at] as number)
  }
  return gone.reverse()
}

/** Hoare's quickselect: returns the number that stands at `rank` when sorted. Smaller ones end up before it, larger after. */
function part(numbers: number[], rank: number): number {
  let low = 0
  let high = numbers.length - 1
  while (low < high) {
    const pivot = numbers[(low + high) >> 1] as number
    let left = low
    let right = high
    while (left <= right) {
      while ((numbers[left] as number) < pivot) left++
      while ((numbers[right] as number) > pivot) right--
      if (left > right) break
      const lower = numbers[right] as number
      numbers[right--] = numbers[left] as number
      numbers[left++] = lower
    }
    if (rank > right && rank < left) break
    if (rank <= right) high = right
    else low = left
  }
  return numbers[rank] as number
}
