/** Asks for a fetch from any agent: writes a key that every instance watches; the instance with the duty `source` answers. */
import { setTimeout as delay } from 'node:timers/promises'
import { randomId } from '../base/clock.ts'
import { Temporary } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt, transact } from '../consul/kv.ts'
import { recorded } from '../keys/asked.ts'
import { type Duty, dutyFrom, type Request, requestFrom, requestValue } from '../keys/duty.ts'

/** How long an instance may take to begin its first fetch, ms. */
const patience = 3000

/**
 * @param want which refusals to override
 * @param limit how long to wait for the answer, ms
 * @returns what was changed, as a sentence
 * @throws Temporary with the reason when the set could not be fetched, or was refused, or nobody fetches or answers
 */
export async function askForSync(
  consul: Consul,
  service: string,
  want: Omit<Request, 'id'>,
  limit: number,
): Promise<string> {
  const keys = keysOf(service)
  const id = randomId()
  const begun = performance.now()
  const end = begun + limit
  for (let asked: string | null = null; ; await delay(100)) {
    const entries = await entriesAt(consul, [keys.duty('source'), keys.sync, keys.revision])
    const at = (wanted: string) => entries.find(({ key }) => key === wanted)?.value ?? null
    const { answer }: Duty = dutyFrom(at(keys.duty('source')))
    if (answer?.request === id) {
      if (answer.ok) return answer.said
      throw new Temporary(answer.said)
    }
    const pending = requestFrom(at(keys.sync))?.id ?? null
    // A request of somebody else is answered first. If it was answered already, replace it by ours.
    if (asked === null || (pending !== id && pending === answer?.request)) {
      // Whoever asks again has asked once.
      const event = asked === null ? await recorded(consul, keys, [{ what: 'fetch asked' }]) : []
      await transact(consul, [{ Verb: 'set', Key: keys.sync, Value: requestValue({ id, ...want }) }, ...event])
      asked = id
    }
    // An instance takes the duty before it writes a fetched set. No duty, but a set: it came from a definition, or by hand.
    if (at(keys.duty('source')) === null && at(keys.revision) !== null && performance.now() > begun + patience)
      throw new Temporary(
        `cannot fetch the partitions of ${service}: no instance has ever fetched them, its definition has no source; see "partitions" in the definition`,
      )
    if (performance.now() > end)
      throw new Temporary(
        `cannot wait longer: no instance of ${service} has fetched its partitions; see watchbill status, and whether its definition has a source`,
      )
  }
}
