/**
 * A lock that nobody has taken yet says that it is clean, since one transaction created it together with its partition. A
 * lock that was deleted and created again by hand says so too, although a process of its last holder may still run.
 */

import { listed } from '../base/text.ts'
import { entriesAt } from '../consul/kv.ts'
import { isAsMade, readSeenHeld, seenHeldText, wiped } from '../look/seen-held.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'
import type { Claim } from './claim.ts'

/**
 * Leaves out the claims of locks that were created without their partition. From the next look on they count as seen held,
 * so that a claim waits the takeover wait. Only an instance that is about to claim asks, and only for never-taken locks.
 */
export async function withoutMadeAnew(
  { consul, files, log }: Run,
  { keys, locks }: Snapshot,
  claims: readonly Claim[],
): Promise<readonly Claim[]> {
  const fresh = claims.filter(({ partition, takeover }) => !takeover && isAsMade(locks.get(partition)))
  if (fresh.length === 0) return claims
  const entries = await entriesAt(
    consul,
    fresh.map(({ partition }) => keys.partition(partition)),
  )
  const made = new Map(entries.map(({ key, createIndex }) => [key, createIndex]))
  const anew = fresh.filter(
    ({ partition }) => made.get(keys.partition(partition)) !== locks.get(partition)?.createIndex,
  )
  if (anew.length === 0) return claims
  const seen = readSeenHeld(files.seenHeld)
  const doubted = new Map([...seen, ...anew.map(({ partition }) => [partition, wiped] as const)])
  writeFact(files.seenHeld, seenHeldText(doubted))
  const ids = anew.map(({ partition }) => partition)
  log(
    `${listed(ids)}: not taken before the takeover wait, since its lock key was created after its partition key and may have had a holder`,
  )
  return claims.filter(claim => !anew.includes(claim))
}
