/** The number of partitions that a scheduler says. People's number wins. */

import { transact } from '../consul/kv.ts'
import type { Definition } from '../definition/definition.ts'
import { recorded } from '../keys/asked.ts'
import { countIn, counting, followedBy, idsUpTo } from '../keys/count.ts'
import { schedulerOn } from '../keys/set-events.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Run } from '../state/self.ts'

/** Only a list of numbers from 0 can follow a number: a percentage and a source say it themselves. */
export function isCountable({ source, share, partitions }: Definition): boolean {
  return source === null && share === undefined && partitions.length > 0 && isCounted(partitions)
}

function isCounted(partitions: readonly string[]): boolean {
  return idsUpTo(partitions.length).every((id, at) => partitions[at] === id)
}

/** @returns what was done; null when nothing was, or people have set another number */
export async function putCountInForce(
  run: Run,
  { keys, count, partitions }: Snapshot,
  number: number,
): Promise<string | null> {
  const isTheirs = count?.by === 'hand' && !count.scheduler
  if (isTheirs || count?.by === 'garbled' || count?.by === 'reset') return null
  const now = count === null ? countIn(partitions) : count.number
  if (now === number) return null
  const since = new Date().toISOString()
  const next = followedBy(count, partitions, { by: 'hand', number, share: null, since, scheduler: true })
  const happened = { what: 'scaled', why: `from ${now} to ${number}` }
  const event = await recorded(run.consul, keys, [happened], schedulerOn)
  const { done } = await transact(run.consul, [...counting(keys, count, next), ...event])
  return done ? `the number of partitions becomes ${number}: it was ${now}` : null
}
