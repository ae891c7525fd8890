/** Repeats an action until it succeeds, although another fault may be active: the leader may be missing or cut off. */
import { until } from '../lab/until.ts'

/** @throws Error with the last failure, when it does not succeed within half a minute */
export async function insist<T>(what: string, action: () => Promise<T>): Promise<T> {
  const { value } = await until(what, async () => ({ value: await action() }), { deadline: 30_000, every: 500 })
  return value
}
