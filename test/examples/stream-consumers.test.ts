import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext, test } from 'node:test'
import { execa } from 'execa'
import { lookAtStreams, pairs } from '../../examples/stream-consumers/look.ts'
import { Redis, RedisError } from '../../examples/stream-consumers/redis.ts'
import { haveRedis, howToGet, startRedis } from '../../examples/stream-consumers/redis-server.ts'
import { commit } from '../../examples/stream-consumers/story.ts'
import { wrongEntries, wrongWords } from '../../examples/stream-consumers/verdict.ts'

const example = join(import.meta.dirname, '../../examples/stream-consumers')
const skip = (await haveRedis(console.error)) ? false : howToGet
const stream = 'words:3'

/** A Redis for one test. */
async function redisFor(test: TestContext): Promise<{ redis: Redis; socket: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-redis-'))
  test.after(() => rmSync(folder, { recursive: true }))
  const { socket, stop } = await startRedis(folder)
  test.after(stop)
  const redis = await Redis.connect(socket)
  test.after(() => redis.close())
  return { redis, socket }
}

async function countsOf(redis: Redis): Promise<Record<string, string>> {
  return Object.fromEntries(pairs(await redis.send('HGETALL', `${stream}:counts`)))
}

describe('commit.lua', { skip }, () => {
  it('counts entries and moves the offset', async test => {
    const { redis } = await redisFor(test)
    assert.equal(await commit(redis, stream, '7', 'a:x', []), '0-0')
    assert.equal(await commit(redis, stream, '7', 'a:x', ['1-0', 'the', '2-0', 'work', '2-1', 'the']), '2-1')
    assert.deepEqual(await countsOf(redis), { the: '2', work: '1' })
  })

  it('refuses a stale token, and writes nothing of it', async test => {
    const { redis } = await redisFor(test)
    await commit(redis, stream, '9', 'a:x', ['1-0', 'the'])
    await commit(redis, stream, '10', 'b:x', [])
    await assert.rejects(commit(redis, stream, '9', 'a:x', ['2-0', 'the']), /^RedisError: STALE token 9: 10 has been/)
    assert.deepEqual(await countsOf(redis), { the: '1' })
    assert.equal(await commit(redis, stream, '10', 'b:x', []), '1-0', 'the offset stands where it stood')
    const look = (await lookAtStreams(redis)).find(look => look.stream === stream)
    assert.deepEqual([look?.refused, look?.owners.map(({ token }) => token)], [1, ['9', '10']])
  })

  it('knows which of two tokens near 2^53 is newer', async test => {
    const { redis } = await redisFor(test)
    await commit(redis, stream, '9007199254740991', 'a:x', [])
    await assert.rejects(commit(redis, stream, '9007199254740990', 'b:x', []), RedisError)
  })
})

test('a consumer with a stale token stops before it reads anything', { skip }, async test => {
  const { redis, socket } = await redisFor(test)
  await commit(redis, stream, '10', 'b:x', [])
  const env = { REDIS_SOCKET: socket, WATCHBILL_TOKEN: '9', WATCHBILL_INSTANCE: 'a:x' }
  const consumer = [join(example, 'consumer.py'), stream]
  const { exitCode, stderr } = await execa('python3', consumer, { env, reject: false, timeout: 10_000 })
  assert.equal(exitCode, 1)
  assert.equal(stderr, 'words:3: a:x is refused and stops: STALE token 9: 10 has been here')
})

describe('the verdict', () => {
  const entries: [string, string[], string[], string[]][] = [
    ['all of them, in order', ['1-0', '1-1', '2-0'], ['1-0', '1-1', '2-0'], []],
    ['one missing', ['1-0', '1-1'], ['1-0'], ['1 entries were never counted']],
    ['one twice', ['1-0', '1-1'], ['1-0', '1-1', '1-0'], ['1 entries were counted more than once']],
    ['another order', ['1-0', '1-1'], ['1-1', '1-0'], ['entries were counted out of order']],
    ['one that was never produced', ['1-0'], ['1-0', '9-9'], ['1 entries were never produced']],
  ]
  for (const [what, ids, ledger, faults] of entries) {
    it(`on entries: ${what}`, () => assert.deepEqual(wrongEntries(ids, ledger), faults))
  }

  it('on words: exact counts, and nothing else', () => {
    assert.deepEqual(wrongWords({ the: 2, constructor: 1 }, Object.entries({ the: '2', constructor: '1' })), [])
    assert.deepEqual(wrongWords({ the: 2 }, [['the', '3']]), ['"the" was produced 2 times and counted 3 times'])
    assert.deepEqual(wrongWords({}, [['forged', '1']]), ['"forged" was produced 0 times and counted 1 times'])
    assert.deepEqual(wrongWords({ lost: 1 }, []), ['"lost" was produced 1 times and counted 0 times'])
  })
})

test('every word is counted exactly once, whatever is killed', { skip, timeout: 300_000 }, async () => {
  const { exitCode, all } = await execa(process.execPath, [join(example, 'run.ts')], { all: true, reject: false })
  assert.equal(exitCode, 0, all)
  assert.match(all, /verdict: every entry was counted exactly once\n*$/)
  assert.match(all, / is refused and stops: STALE token /)
  const [, produced, counted, refused] =
    /^(\d+) entries produced, (\d+) counted, (\d+) writes of stale owners refused$/m.exec(all) ?? []
  assert.equal(counted, produced)
  assert.ok(Number(produced) > 1000 && Number(refused) >= 2, all)
})
