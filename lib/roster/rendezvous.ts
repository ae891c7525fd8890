/**
 * Rendezvous hashing: every partition scores every instance, and the best score wins. All numbers are signed 32-bit
 * integers, because V8 stores those without an allocation: this is the inner loop of the roster.
 * Instances agree on a roster only when they use the same hash: a changed hash needs a new roster version (versions.ts).
 */

/** The hash of an id: FNV-1a over its UTF-16 units, then mixed, so that ids that differ in one digit get distant hashes. */
export function hash(id: string): number {
  let state = 0x811c9dc5 | 0
  for (let at = 0; at < id.length; at++) state = Math.imul(state ^ id.charCodeAt(at), 0x01000193)
  return score(state, 0)
}

/**
 * How well an instance suits a partition, from the hashes of their ids: higher is better. It is the finalizer of
 * MurmurHash3: every input bit changes every bit of the result.
 */
export function score(partition: number, instance: number): number {
  let state = partition ^ instance
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return state ^ (state >>> 16)
}

/** Index of the instance with the best score: the first one of equals, -1 for an empty array. */
export function best(partition: number, instances: readonly number[]): number {
  let winner = -1
  let highest = -Infinity
  for (let at = 0; at < instances.length; at++) {
    const points = score(partition, instances[at] as number)
    if (points > highest) {
      highest = points
      winner = at
    }
  }
  return winner
}
