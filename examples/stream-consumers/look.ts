/** What can be seen in Redis of each stream: how far its consumers are, and whose it was. */
import type { Redis, Reply } from './redis.ts'
import { streams } from './words.ts'

export interface Owner {
  readonly instance: string
  readonly token: string
}

export interface Look {
  readonly stream: string
  readonly produced: number
  readonly counted: number
  /** In the order in which their tokens came; the last one has it now. */
  readonly owners: readonly Owner[]
  /** How often commit.lua refused a token. */
  readonly refused: number
}

export function lookAtStreams(redis: Redis): Promise<Look[]> {
  return Promise.all(streams.map(stream => lookAt(redis, stream)))
}

async function lookAt(redis: Redis, stream: string): Promise<Look> {
  // Counted before produced: a look never shows more counted than produced.
  const [counted, produced, owners, refused] = await Promise.all([
    redis.send('LLEN', `${stream}:ledger`),
    redis.send('XLEN', stream),
    redis.send('LRANGE', `${stream}:owners`, 0, -1),
    redis.send('HGET', `${stream}:progress`, 'refused'),
  ])
  const list = (owners as string[]).map(ownerOf)
  return { stream, produced: Number(produced), counted: Number(counted), owners: list, refused: Number(refused ?? 0) }
}

function ownerOf(text: string): Owner {
  const [instance = '', token = ''] = text.split(' ')
  return { instance, token }
}

export function nodeOf({ owners }: Look): string {
  return owners.at(-1)?.instance.split(':')[0] ?? 'nobody'
}

/** How many streams each node has, such as "s1 6, s2 5, s3 5". */
export function shares(looks: readonly Look[]): string {
  const counts = new Map<string, number>()
  for (const look of looks) counts.set(nodeOf(look), (counts.get(nodeOf(look)) ?? 0) + 1)
  return Array.from(counts, ([node, count]) => `${node} ${count}`)
    .sort()
    .join(', ')
}

/** A hash as Redis tells it: a name, a value, a name, a value. */
export function pairs(reply: Reply): [string, string][] {
  const list = reply as string[]
  return list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] as string]] : []))
}
