/**
 * Feeds the words of real texts into the streams, over and over, until SIGTERM; then writes its own tally, which is what
 * the verdict believes: `node producer.ts REDIS-SOCKET TALLY-FILE`.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from './redis.ts'
import type { Tally } from './verdict.ts'
import { realWords, streamOf, streams } from './words.ts'

const [socket = '', file = ''] = process.argv.slice(2)
const atOnce = 40
const rest = 80

let stopped = false
process.once('SIGTERM', () => {
  stopped = true
})

const redis = await Redis.connect(socket)
const tally = new Map(streams.map(stream => [stream, new Map<string, number>()]))
const words = realWords()
for (let at = 0; !stopped; at = (at + atOnce) % words.length) {
  await Promise.all(words.slice(at, at + atOnce).map(produce))
  await pause(rest)
}
writeFileSync(file, JSON.stringify(told()))
redis.close()

async function produce(word: string): Promise<void> {
  const stream = streamOf(word)
  await redis.send('XADD', stream, '*', 'word', word)
  const counts = tally.get(stream) as Map<string, number>
  counts.set(word, (counts.get(word) ?? 0) + 1)
}

function told(): Tally {
  return Object.fromEntries(Array.from(tally, ([stream, counts]) => [stream, Object.fromEntries(counts)]))
}
