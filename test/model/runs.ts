/** How often a property is tried. */
import type { Parameters } from 'fast-check'

/**
 * WATCHBILL_RUNS is the number of runs of every property that asks here. WATCHBILL_SEED replays a
 * run whose seed was printed.
 * @param ordinary how many runs fit into `npm test`
 */
export function runs<T>(ordinary: number): Parameters<T> {
  const { WATCHBILL_RUNS, WATCHBILL_SEED } = process.env
  return {
    numRuns: WATCHBILL_RUNS ? Number(WATCHBILL_RUNS) : ordinary,
    ...(WATCHBILL_SEED ? { seed: Number(WATCHBILL_SEED) } : {}),
    endOnFailure: false,
  }
}
