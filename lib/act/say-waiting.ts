/** After 1 s, tells `status` on other machines that we wait for the worker's confirmation. */

import { reason } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import type { Run } from '../state/self.ts'
import { reportRemarks } from './report.ts'

/** How long a wait must last before it is reported, ms. */
const patience = 1000

/**
 * @param waiting the partitions still waited for; the caller removes those that are done
 * @returns a function that ends this: call it when the wait is over
 */
export function tellOfWaiting(run: Run, keys: Keys, waiting: ReadonlyMap<string, unknown>): () => Promise<void> {
  let telling = Promise.resolve()
  const timer = setTimeout(() => {
    const remarks = [...waiting.keys()].map(id => [id, 'waits for the worker to confirm that it stopped'] as const)
    telling = reportRemarks(run, keys, Object.fromEntries(remarks)).catch(error =>
      run.log(`cannot report which partitions wait for the worker: ${reason(error)}`),
    )
  }, patience)
  return () => {
    clearTimeout(timer)
    return telling
  }
}
