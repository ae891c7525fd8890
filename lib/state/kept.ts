/**
 * The fact `kept` of a partition, `<boot id> <acquisition> <since>`: its process goes on although its lease is over, because
 * its machine is cut off and its acquisition says `"whenIsolated": "keep"`. Only the guard writes it, when Consul has given no
 * answer while the lease still ran. It is void in another boot, for another acquisition, and once it is removed. `since` is when
 * Consul answered again, boot-clock ms, while it is not decided yet who has the lock; `-` before. The shepherd reads it by the
 * same rule.
 */
import { bootId } from '../base/clock.ts'
import { readUsual, writeFact } from './facts.ts'
import type { PartitionFiles } from './partition-paths.ts'

export interface Kept {
  /** Boot clock, ms; null while Consul does not answer. */
  readonly answered: number | null
}

/** Null when the process has to end with its lease. */
export function keptOf({ kept }: Pick<PartitionFiles, 'kept'>, acquisition: string | null): Kept | null {
  const [boot, of, answered = ''] = readUsual(kept)?.split(' ') ?? []
  if (acquisition === null || boot !== bootId() || of !== acquisition) return null
  return { answered: /^\d+$/.test(answered) ? Number(answered) : null }
}

export function writeKept({ kept }: PartitionFiles, acquisition: string, { answered }: Kept): void {
  writeFact(kept, `${bootId()} ${acquisition} ${answered ?? '-'}`)
}
