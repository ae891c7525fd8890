/** Random rules of placement for four machines in three zones, from a seed. */

/** A whole number from 0 to below the bound. */
export type Any = (below: number) => number

export function anyOf(seed: number): Any {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const patterns = ['*', '1*', '*3', '2', '0']

/** Each kind of rule in two cases of five. */
export function placementOf(any: Any): Record<string, unknown> {
  const one = <T>(list: readonly T[]) => list[any(list.length)] as T
  const some = <T>(kind: string, rules: () => T[]) => (any(5) < 2 ? { [kind]: rules() } : {})
  const tests = () =>
    one([
      { attribute: 'meta.zone', not: 'z' },
      { attribute: 'meta.cores', atLeast: 4 },
      { attribute: 'node', in: ['s1', 'a2'] },
      { attribute: 'meta.zone', is: 'x' },
    ])
  return {
    ...some('only', () => [{ for: one(patterns), ...tests() }]),
    ...some('spread', () => [{ over: 'meta.zone', ...one([{}, { shares: { x: 2, y: 1, z: 1 } }]) }]),
    ...some('apart', () => [
      one([
        { for: '1*', over: 'node' },
        { for: '*3', over: 'meta.zone' },
      ]),
    ]),
    ...some('cost', () => [
      { for: one(patterns.slice(1)), is: 1 + any(5) },
      { for: '*5', is: 2.5 },
    ]),
    ...some('prefer', () => [{ for: one(patterns), ...tests(), weight: 1 + any(20) }]),
  }
}
