/** How many times a property is tested. */
import type { Parameters } from 'fast-check'

/**
 * WATCHBILL_RUNS sets the number of runs of every property that uses this. WATCHBILL_SEED repeats a run with the seed
 * that it printed.
 * @param ordinary the number of runs that fits into `npm test`
 */
export function runs<T>(ordinary: number): Parameters<T> {
  const { WATCHBILL_RUNS, WATCHBILL_SEED } = process.env
  return {
    numRuns: WATCHBILL_RUNS ? Number(WATCHBILL_RUNS) : ordinary,
    ...(WATCHBILL_SEED ? { seed: Number(WATCHBILL_SEED) } : {}),
    endOnFailure: false,
  }
}
