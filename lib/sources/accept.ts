/** Decides whether a fetched set may replace the set in force. Pure. */
import { definitionsLoss } from '../keys/duty.ts'
import type { Answer } from './items.ts'

/** A set of at most this size may lose any number of partitions at once. */
const small = 10

/**
 * Why an answer is refused; null when it is accepted.
 * @param present the ids in force that came from the source, or from the definition before it
 * @param maxDrop which fraction of a larger set may be missing, 0 to 1
 * @param defined the present ids that came from the definition before the source: none of them may be missing
 */
export function refusal(
  { items, fault }: Answer,
  present: ReadonlySet<string>,
  maxDrop: number,
  defined: ReadonlySet<string> = new Set(),
): string | null {
  if (fault !== null) return fault
  if (items.length === 0) return 'it holds no partition'
  const ids = new Set(items.map(({ id }) => id))
  const gone = [...defined].filter(id => !ids.has(id)).length
  if (gone > 0) return `it lacks ${gone} of the ${defined.size} ${definitionsLoss}`
  const dropped = [...present].filter(id => !ids.has(id)).length
  if (present.size <= small || dropped <= present.size * maxDrop) return null
  return `it lacks ${dropped} of the ${present.size} partitions in force, more than ${Math.round(maxDrop * 100)}%`
}
