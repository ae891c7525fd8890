/**
 * How far placement by rules is from the best of all where the search is a heuristic: 1,000 clusters of 5 members and 8
 * partitions with costs, spread, limits and groups that overlap, each held against an exhaustive search.
 */
import fc from 'fast-check'
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
    told('balance beyond the best, mean', (100 * balance.reduce((sum, one) => sum + one, 0)) / balance.length, '%'),
    told('balance beyond the best, largest', 100 * Math.max(...balance), '%'),
  ]
}

/** How much larger the sum of squared loads by weight is. */
function gap(found: Score, best: Score, at: number): number {
  return (found[at] as number) / (best[at] as number) - 1
}
