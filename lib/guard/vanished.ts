/**
 * Finds members whose session ended while gossip still sees their host. No watch fires then, since no health changes. It
 * happens when an agent cannot reach the servers, or its guard does not run, until the session's TTL is over.
 */

import { decode, keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { indexBelow, trees } from '../consul/kv.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'

/**
 * Whether an instance that took part at the last look holds its member key no longer. One small request while nothing
 * changes below the member keys, and a second one when something does.
 * @throws Temporary when Consul does not answer
 */
export async function hasVanished(consul: Consul, service: string, files: InstanceFiles): Promise<boolean> {
  const { members } = keysOf(service)
  const index = await indexBelow(consul, members)
  if (readFact(files.memberIndex) === index) return false
  const entries = await trees(consul, [members])
  const holding = new Set(entries.flatMap(({ key, session }) => (session ? [decode(key.slice(members.length))] : [])))
  const known = readFact(files.members)?.split('\n') ?? []
  const vanished = known.some(instance => !holding.has(instance))
  // Until a look has seen it too, every tick asks for one.
  if (!vanished) writeFact(files.memberIndex, index)
  return vanished
}
