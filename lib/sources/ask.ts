/** Asking for a fetch from any agent: a key that everybody watches, and whoever has the duty answers. */
import { setTimeout as delay } from 'node:timers/promises'
import { randomId } from '../clock.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt, transact } from '../consul/kv.ts'
import { Temporary } from '../errors.ts'
import { keysOf } from '../names.ts'
import { type Duty, dutyFrom, requestFrom, requestValue } from './duty.ts'

/**
 * @param limit how long to wait for the answer, ms
 * @returns what was changed, as a sentence
 * @throws Temporary with the reason when the set could not be fetched, or was refused, or nobody answers
 */
export async function askForSync(consul: Consul, service: string, force: boolean, limit: number): Promise<string> {
  const keys = keysOf(service)
  const id = randomId()
  const end = performance.now() + limit
  for (let asked: string | null = null; ; await delay(100)) {
    const entries = await entriesAt(consul, [keys.duty('source'), keys.sync])
    const at = (wanted: string) => entries.find(({ key }) => key === wanted)?.value ?? null
    const { answer }: Duty = dutyFrom(at(keys.duty('source')))
    if (answer?.request === id) {
      if (answer.ok) return answer.said
      throw new Temporary(answer.said)
    }
    const pending = requestFrom(at(keys.sync))?.id ?? null
    // Another's request is answered first; one that nobody answers keeps nobody waiting.
    if (asked === null || (pending !== id && pending === answer?.request)) {
      await transact(consul, [{ Verb: 'set', Key: keys.sync, Value: requestValue({ id, force }) }])
      asked = id
    }
    if (performance.now() > end)
      throw new Temporary(
        `cannot wait longer: no instance of ${service} has fetched its partitions; see watchbill status, and whether its definition has a source`,
      )
  }
}
