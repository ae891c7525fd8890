/** Whether every entry was counted exactly once: what the producer wrote down against what the consumers did. */
import { type Look, lookAtStreams, pairs } from './look.ts'
import type { Redis } from './redis.ts'

/** Stream → word → how often Redis took it from the producer. */
export type Tally = Record<string, Record<string, number>>

export interface Verdict {
  readonly looks: readonly Look[]
  /** One sentence for each thing that is wrong; none when every entry was counted exactly once. */
  readonly faults: readonly string[]
}

export async function judge(redis: Redis, tally: Tally): Promise<Verdict> {
  const looks = await lookAtStreams(redis)
  const faults = await Promise.all(looks.map(({ stream }) => faultsOf(redis, stream, tally[stream] ?? {})))
  return { looks, faults: faults.flat() }
}

async function faultsOf(redis: Redis, stream: string, produced: Record<string, number>): Promise<string[]> {
  const entries = (await redis.send('XRANGE', stream, '-', '+')) as [string, string[]][]
  const ledger = (await redis.send('LRANGE', `${stream}:ledger`, 0, -1)) as string[]
  const counts = pairs(await redis.send('HGETALL', `${stream}:counts`))
  const ids = entries.map(([id]) => id)
  return [...wrongEntries(ids, ledger), ...wrongWords(produced, counts)].map(fault => `${stream}: ${fault}`)
}

/** Entry by entry: none missing, none twice, none out of order. */
export function wrongEntries(ids: readonly string[], ledger: readonly string[]): string[] {
  const [produced, counted] = [new Set(ids), new Set(ledger)]
  const missing = [...produced].filter(id => !counted.has(id)).length
  const forged = [...counted].filter(id => !produced.has(id)).length
  const twice = ledger.length - counted.size
  const faults = [
    ...(missing > 0 ? [`${missing} entries were never counted`] : []),
    ...(forged > 0 ? [`${forged} entries were never produced`] : []),
    ...(twice > 0 ? [`${twice} entries were counted more than once`] : []),
  ]
  const shuffled = faults.length === 0 && ids.some((id, i) => id !== ledger[i])
  return shuffled ? ['entries were counted out of order'] : faults
}

/** Word by word: the producer's tally is its own and knows nothing of ids. */
export function wrongWords(produced: Record<string, number>, counts: readonly [string, string][]): string[] {
  const counted = new Map(counts)
  const made = new Map(Object.entries(produced))
  const words = new Set([...made.keys(), ...counted.keys()])
  return [...words].flatMap(word => {
    const [expected, seen] = [made.get(word) ?? 0, Number(counted.get(word) ?? 0)]
    return expected === seen ? [] : [`"${word}" was produced ${expected} times and counted ${seen} times`]
  })
}

/** The lines of the table. */
export function rows(looks: readonly Look[]): string[][] {
  return looks.map(({ stream, produced, counted, owners, refused }) => {
    const nodes = owners.map(({ instance }) => instance.split(':')[0]).join(' → ')
    return [stream, String(produced), String(counted), String(refused), nodes]
  })
}

export function total(looks: readonly Look[], what: 'produced' | 'counted' | 'refused'): number {
  return looks.reduce((sum, look) => sum + look[what], 0)
}
