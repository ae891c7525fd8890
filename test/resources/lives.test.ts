import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { lineOf } from '../../lib/base/worker-line.ts'
import { limit } from '../../lib/client/worker/limit.ts'
import { Lives } from '../../lib/client/worker/lives.ts'
import type { Handler } from '../../lib/client/worker/types.ts'
import { until } from '../lab/until.ts'

const line = (id: string, token = '7') => lineOf({ id, token, document: null, since: '2026-01-01T00:00:00.000Z' })
const text = (...lines: string[]) => lines.map(line => `${line}\n`).join('')

/** Lives of a program that writes down what is asked of it, and the confirmations with that. */
function play(over: Partial<Handler> = {}, most = Number.POSITIVE_INFINITY) {
  const told: string[] = []
  const tell = (what: string) => void told.push(what)
  const handler: Handler = {
    handle: ({ id }, { token }) => tell(`handle ${id} ${token}`),
    terminate: ({ id }) => tell(`terminate ${id}`),
    failed: (error, { id }) => tell(`failed ${id}: ${(error as Error).message}`),
    retry: { first: 1, longest: 4 },
    ...over,
  }
  const logger = { info: () => {}, error: () => {} }
  const limits = { handle: limit(most), terminate: limit(most) }
  const lives = new Lives({ handler, logger, limits }, line => tell(`confirmed ${JSON.parse(line).id}`))
  return {
    lives,
    told,
    seen: (...what: string[]) => until(what.join(), see => what.every(one => see(told).includes(one)), { every: 2 }),
  }
}

describe('a resource', () => {
  it('is handled when it comes, terminated when it goes, and confirmed then', async () => {
    const { lives, told, seen } = play()
    lives.follow(text(line('a'), line('b')))
    await seen('handle a 7', 'handle b 7')
    lives.follow(text(line('b')))
    await seen('confirmed a')
    assert.deepEqual(told, ['handle a 7', 'handle b 7', 'terminate a', 'confirmed a'])
    assert.deepEqual(
      lives.held().map(({ id }) => id),
      ['b'],
    )
  })

  it('that came and went before anybody looked is confirmed once, and one that is here when it is over', async () => {
    const { lives, told, seen } = play()
    lives.follow(text(line('a')))
    await seen('handle a 7')
    const stopping = text(line('a'), line('b'))
    for (let looks = 0; looks < 3; looks++) lives.follow('', stopping)
    await seen('confirmed a')
    lives.follow('', stopping)
    assert.deepEqual(told, ['handle a 7', 'confirmed b', 'terminate a', 'confirmed a'])
    lives.follow('', '')
    lives.follow('', text(line('b')))
    assert.deepEqual(told.slice(4), ['confirmed b'], 'that is another time')
  })

  it('that is to begin when an earlier one has ended is not confirmed before that', async () => {
    const ended = Promise.withResolvers<void>()
    const { lives, told, seen } = play({ terminate: () => ended.promise })
    lives.follow(text(line('a', '7')))
    await seen('handle a 7')
    // Taken back after the assignment was read, and before this was.
    lives.follow(text(line('a', '8')), text(line('a', '8')))
    assert.deepEqual(told, ['handle a 7'])
    ended.resolve()
    await seen('confirmed a', 'handle a 8')
    assert.deepEqual(told, ['handle a 7', 'confirmed a', 'handle a 8'])
    lives.follow('', text(line('a', '8')))
    await until('that one to be confirmed too', () => told.length === 4)
  })

  it('that came and went while an earlier one ends is confirmed after that', async () => {
    const ended = Promise.withResolvers<void>()
    const { lives, told, seen } = play({ terminate: () => ended.promise })
    lives.follow(text(line('a', '7')))
    await seen('handle a 7')
    lives.follow('', text(line('a', '7'), line('a', '8')))
    assert.deepEqual(told, ['handle a 7'])
    ended.resolve()
    await until('both to be confirmed', () => told.length === 3)
    lives.follow('', text(line('a', '7'), line('a', '8')))
    assert.deepEqual(told, ['handle a 7', 'confirmed a', 'confirmed a'])
  })

  it('is handled once, however often one looks', async () => {
    const { lives, told, seen } = play()
    for (let looks = 0; looks < 3; looks++) lives.follow(text(line('a')))
    await seen('handle a 7')
    assert.equal(told.length, 1)
  })

  it('is confirmed only when its handle and its terminate are over', async () => {
    let over = false
    const { lives, told, seen } = play({
      handle: (_, { signal }) =>
        new Promise<void>(resolve => signal.addEventListener('abort', () => setTimeout(() => resolve(), 20))),
      terminate: async () => {
        await delay(20)
        over = true
      },
    })
    lives.follow(text(line('a')))
    lives.follow('')
    assert.deepEqual(told, [])
    await seen('confirmed a')
    assert.equal(over, true)
  })

  it('that fails is handled again, later each time, and others are not disturbed', async () => {
    let tries = 0
    const { lives, told, seen } = play({
      handle: ({ id }) => {
        if (id === 'bad' && ++tries < 4) throw new Error(`try ${tries}`)
        told.push(`handles ${id}`)
      },
    })
    lives.follow(text(line('bad'), line('good')))
    await seen('handles bad')
    assert.deepEqual(told, [
      'handles good',
      'failed bad: try 1',
      'failed bad: try 2',
      'failed bad: try 3',
      'handles bad',
    ])
  })

  it('that had worked for long is handled again soon, however often it failed before', async () => {
    const retry = { first: 1, longest: 400 }
    const begun: number[] = []
    const { lives, told, seen } = play({
      retry,
      handle: async () => {
        begun.push(performance.now())
        if (begun.length === 11) await delay(retry.longest + 50)
        if (begun.length < 12) throw new Error(`try ${begun.length}`)
        told.push('handled')
      },
    })
    lives.follow(text(line('a')))
    await seen('handled')
    const [before, longer, last] = begun.slice(-3) as [number, number, number]
    assert.ok(longer - before > 200, 'its back-off had grown')
    assert.ok(last - longer < 2 * retry.longest, 'and began again')
  })

  it('that fails again and again leaves nothing behind on its signal', async () => {
    const counts: number[] = []
    const { lives, seen, told } = play({
      handle: (_, { signal }) => {
        counts.push(getEventListeners(signal, 'abort').length)
        if (counts.length < 4) throw new Error('no')
        told.push('handled')
      },
    })
    lives.follow(text(line('a')))
    await seen('handled')
    assert.deepEqual(counts, [0, 0, 0, 0])
  })

  it('that goes while it fails is not tried again', async () => {
    let tries = 0
    const fails = () => {
      tries++
      throw new Error('no')
    }
    const { lives, seen } = play({ handle: fails, retry: { first: 60_000 } })
    lives.follow(text(line('a')))
    await seen('failed a: no')
    lives.follow('')
    await seen('terminate a', 'confirmed a')
    assert.equal(tries, 1)
  })

  it('whose terminate fails is not confirmed until that succeeds', async () => {
    let tries = 0
    const { lives, told, seen } = play({
      terminate: () => {
        if (++tries < 3) throw new Error('not yet')
      },
      terminateFailed: (_, { id }) => {
        told.push(`terminateFailed ${id}`)
        return false
      },
    })
    lives.follow(text(line('a')))
    await seen('handle a 7')
    lives.follow('')
    await seen('confirmed a')
    assert.deepEqual(told, ['handle a 7', 'terminateFailed a', 'terminateFailed a', 'confirmed a'])
  })

  it('is given up all the same when the program says so', async () => {
    const { lives, told, seen } = play({
      terminate: () => {
        throw new Error('never')
      },
      terminateFailed: async () => true,
    })
    lives.follow(text(line('a')))
    await seen('handle a 7')
    lives.follow('')
    await seen('confirmed a')
    assert.deepEqual(told, ['handle a 7', 'confirmed a'])
  })

  it('that comes back with another token is ended, confirmed, and then handled', async () => {
    const { lives, told, seen } = play()
    lives.follow(text(line('a')))
    await seen('handle a 7')
    lives.follow(text(line('a', '8')))
    await seen('handle a 8')
    assert.deepEqual(told, ['handle a 7', 'terminate a', 'confirmed a', 'handle a 8'])
  })

  it('that comes back and goes while the earlier one ends is not handled', async () => {
    const { lives, told, seen } = play({ terminate: () => delay(20) })
    lives.follow(text(line('a')))
    await seen('handle a 7')
    for (const then of ['', text(line('a', '8')), '']) lives.follow(then)
    await seen('confirmed a')
    await lives.end()
    assert.deepEqual(told, ['handle a 7', 'confirmed a'])
  })

  it('keeps what it has when the assignment cannot be read', async () => {
    const { lives, told, seen } = play()
    lives.follow(text(line('a')))
    await seen('handle a 7')
    lives.follow('oh no\n')
    assert.deepEqual(
      lives.held().map(({ id }) => id),
      ['a'],
    )
    assert.deepEqual(told, ['handle a 7'])
  })
})

describe('the limit', () => {
  it('is kept, in order', async () => {
    let running = 0
    let most = 0
    const order: string[] = []
    const { lives, seen } = play(
      {
        handle: async ({ id }) => {
          most = Math.max(most, ++running)
          order.push(id)
          await delay(2)
          running--
        },
        terminate: ({ id }) => order.push(id),
      },
      2,
    )
    const ids = ['a', 'b', 'c', 'd', 'e']
    lives.follow(text(...ids.map(id => line(id))))
    await until('all to be handled', () => order.length === 5 && running === 0)
    assert.equal(most, 2)
    assert.deepEqual(order, ids)
    lives.follow('')
    await seen(...ids.map(id => `confirmed ${id}`))
  })

  it('keeps nobody from giving up what waits for its turn', async () => {
    const { lives, told, seen } = play({ handle: ({ id }) => id === 'slow' && new Promise(() => {}) }, 1)
    lives.follow(text(line('slow'), line('waits')))
    lives.follow(text(line('slow')))
    await seen('confirmed waits')
    assert.deepEqual(told, ['confirmed waits'])
  })
})
