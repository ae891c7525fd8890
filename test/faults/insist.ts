/** Brings something about although another fault may be at work: there is no leader for a while, or it is just cut off. */
import { until } from '../lab/until.ts'

/** @throws Error with what went wrong last, when it does not succeed within half a minute */
export async function insist(what: string, action: () => Promise<unknown>): Promise<void> {
  await until(what, () => action().then(() => true), { deadline: 30_000, every: 500 })
}
