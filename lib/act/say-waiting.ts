/** What others cannot see while the worker takes its time: that its word is all that is waited for. */

import { reason } from '../base/errors.ts'
import type { Keys } from '../base/names.ts'
import type { Run } from '../state/self.ts'
import { reportRemarks } from './report.ts'

/** After so long it is worth a word, ms. */
const patience = 1000

/**
 * @param waiting what is still waited for; shrinks
 * @returns what ends it, once nothing is waited for any more
 */
export function tellOfWaiting(run: Run, keys: Keys, waiting: ReadonlyMap<string, unknown>): () => Promise<void> {
  let telling = Promise.resolve()
  const timer = setTimeout(() => {
    const remarks = [...waiting.keys()].map(id => [id, 'waits for the worker to confirm that it stopped'] as const)
    telling = reportRemarks(run, keys, Object.fromEntries(remarks)).catch(error =>
      run.log(`cannot tell what is waited for: ${reason(error)}`),
    )
  }, patience)
  return () => {
    clearTimeout(timer)
    return telling
  }
}
