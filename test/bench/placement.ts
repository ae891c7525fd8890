/**
 * How far placement by rules is from the best of all where the search is a heuristic: 1,000 clusters of 5 members and 8
 * partitions with costs, spread, limits and groups that overlap, each held against an exhaustive search. And how long large ones
 * take that make many kinds: a group or a cost of its own for nearly every partition.
 */
import fc from 'fast-check'
import { noRules, type Rules } from '../../lib/definition/rules.ts'
import type { PlacedMember } from '../../lib/roster/member.ts'
import { place } from '../../lib/roster/place.ts'
import { cases } from '../placement/cases.ts'
import { judgeOf, type Score } from '../placement/exhaustive.ts'
import { exactly, type Progress, type Row, told } from './bench.ts'

const clusters = 1000
const wishes = ['placed', 'avoided', 'spread', 'balance', 'moves', 'prefer'] as const

export default async (progress: Progress): Promise<Row[]> => {
  const all = fc.sample(cases({ members: 5, partitions: 8, hard: true }), { numRuns: clusters, seed: 17 })
  const pairs = all.map((asked, at) => {
    if (at % 100 === 0) progress(`${at} of ${clusters}`)
    const judge = judgeOf(asked)
    return { found: judge.score(place(asked).placed), best: judge.best() }
  })
  const kept = pairs.flatMap(({ found, best }) => (found === null ? [] : [{ found, best }]))
  const differing = kept.map(({ found, best }) => found.findIndex((value, at) => value !== best[at]))
  const missed = (at: number) => differing.filter(first => first === at).length
  const balance = kept.flatMap(({ found, best }, at) =>
    differing[at] === 3 ? [gap(found, best, 3)] : differing[at] === -1 || (differing[at] ?? 0) > 3 ? [0] : [],
  )
  return [
    exactly(0, 'clusters in which a hard rule does not hold', pairs.length - kept.length, 'clusters'),
    told('the best of all', missed(-1), `of ${clusters}`),
    ...wishes.map((wish, at) => told(`first worse in: ${wish}`, missed(at), `of ${clusters}`)),
    told('load beyond the best balance, mean', balance.reduce((sum, one) => sum + one, 0) / balance.length, 'of cost'),
    told('load beyond the best balance, largest', Math.max(...balance), 'of cost'),
    ...large('9,000 partitions in 3,000 groups, 100 members', { apart: [{ over: 'node', by: '/tenant' }] }),
    ...large('9,000 partitions, each with a cost of its own', {
      cost: [{ field: '/cost' }],
      spread: [{ over: 'meta.zone' }],
    }),
  ]
}

/** The time of the whole map, and when one of 100 members leaves; the second call of each. */
function large(what: string, own: Partial<Rules>): Row[] {
  const rules = { ...noRules, ...own }
  const none = new Map<string, string>()
  const partitions = Array.from({ length: 9000 }, (_, at) => String(at))
  const members = Array.from({ length: 100 }, (_, at): PlacedMember => {
    const name = `node-${String(at).padStart(3, '0')}`
    const offers = { meta: { zone: String(at % 3) }, datacenter: 'dc1', tags: [] }
    return { instance: `${name}:work`, node: name, weight: 1, maxPartitions: null, offers }
  })
  const traits = new Map(
    partitions.map((id, at) => [id, { '/tenant': at % 3000, '/cost': 1 + ((at * 7919) % 9973) / 100 }]),
  )
  const asked = { members, partitions, holders: none, avoided: none, rules, pins: none, traits }
  const timed = (given: typeof asked) => {
    place(given)
    const from = performance.now()
    const { placed } = place(given)
    return { ms: performance.now() - from, placed: new Map(placed) }
  }
  const whole = timed(asked)
  const without = timed({ ...asked, members: members.slice(1), holders: whole.placed })
  const moved = partitions.filter(id => whole.placed.get(id) !== without.placed.get(id)).length
  return [
    told(`${what}: whole map`, whole.ms, 'ms'),
    told(`${what}: one leaves`, without.ms, 'ms'),
    told(`${what}: moved then`, moved, 'partitions'),
  ]
}

/** The square root of the sum of squares (test/placement/exhaustive.ts), in cost: the largest cost is up to 9. */
function gap(found: Score, best: Score, at: number): number {
  return (Math.sqrt(found[at] as number) - Math.sqrt(best[at] as number)) / 4
}
