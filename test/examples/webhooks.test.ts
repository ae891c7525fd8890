import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { serve } from '../../examples/webhooks/server.ts'
import { type Delivery, type History, judge } from '../../examples/webhooks/verdict.ts'
import { World } from '../../examples/webhooks/world.ts'

const first = { instance: 'a1:webhooks', pid: 11, token: '7' }
const second = { instance: 'a2:webhooks', pid: 22, token: '10' }

function delivery(event: number, over: Partial<Delivery> = {}): Delivery {
  return { subscription: 'x', event, url: '/hook/x', ...first, at: event * 10, waited: 5, done: true, ...over }
}

/** Three events of one subscription, the last by another instance, and one write that was refused. */
const good: History = {
  subscriptions: [{ id: 'x', produced: 3, gone: null }],
  deliveries: [delivery(1), delivery(2), delivery(3, second)],
  killed: [],
  changes: [],
  outages: [],
  busy: 0,
  stale: 1,
  replayed: 1,
}

/** The same, and the one in flight when its machine died is delivered once more by another. */
const dead: History = {
  ...good,
  deliveries: [delivery(1), delivery(2, { done: false }), delivery(2, second), delivery(3, second)],
  killed: [first.pid],
}

/** One in flight when its worker was killed, and once more by the next worker of that instance. */
const killed: History = {
  ...good,
  deliveries: [delivery(1), delivery(2, { done: false }), delivery(2, { pid: 12 }), delivery(3, { pid: 12 })],
  killed: [first.pid],
}

describe('the verdict', () => {
  const rows: [what: string, history: History, faults: string[]][] = [
    ['all of them, by one instance after the other', good, []],
    ['one twice that was in flight at the kill', killed, []],
    ['one by two instances that was in flight when the machine died', dead, []],
    [
      'an event missing at the end',
      { ...good, deliveries: good.deliveries.slice(0, 2) },
      ['x: 1 of 3 events were never delivered'],
    ],
    [
      'an event missing in the middle',
      { ...good, deliveries: [delivery(1), delivery(3)] },
      ['x: 1 of 3 events were never delivered', 'x: events were skipped, or delivered out of order'],
    ],
    [
      'another order',
      { ...good, deliveries: [delivery(2), delivery(1), delivery(3)] },
      ['x: events were skipped, or delivered out of order'],
    ],
    [
      'an event too many',
      { ...good, deliveries: [...good.deliveries, delivery(4, second)] },
      ['x: 1 events were delivered that never were'],
    ],
    [
      'an earlier owner after a later one',
      { ...good, deliveries: [delivery(1), delivery(2, second), delivery(3)] },
      ['x: a1:webhooks (11, token 7) delivered event 3 after a2:webhooks (22, token 10) had delivered 2'],
    ],
    [
      'two instances with one token',
      { ...good, deliveries: [delivery(1), delivery(2), delivery(3, { ...second, token: '7' })] },
      ['x: a2:webhooks (22, token 7) delivered event 3 after a1:webhooks (11, token 7) had delivered 2'],
    ],
    [
      'two workers of an instance of which none was killed',
      { ...killed, killed: [], deliveries: [delivery(1), delivery(2), delivery(3, { pid: 12 })] },
      ['x: a1:webhooks (12, token 7) delivered event 3 after a1:webhooks (11, token 7) had delivered 2'],
    ],
    [
      'an event by two instances',
      { ...good, deliveries: [delivery(1), delivery(2), delivery(2, second), delivery(3, second)] },
      ['x: event 2 was delivered 2 times, by a1:webhooks (11, token 7), a2:webhooks (22, token 10)'],
    ],
    [
      'an event that was done before the kill',
      { ...killed, deliveries: killed.deliveries.map(one => ({ ...one, done: true })) },
      ['x: event 2 was delivered 2 times, by a1:webhooks (11, token 7), a1:webhooks (12, token 7)'],
    ],
    [
      'one of a removed subscription',
      { ...good, subscriptions: [{ id: 'x', produced: 9, gone: 25 }] },
      ['x: 1 events were delivered after it was removed'],
    ],
    [
      'one of no subscription',
      { ...good, deliveries: [...good.deliveries, delivery(1, { subscription: 'y' })] },
      ['y: was delivered, and is no subscription'],
    ],
    [
      'nothing at the new URL',
      { ...good, changes: [{ subscription: 'x', url: '/hook/x/new' }] },
      ['x: nothing was delivered to /hook/x/new'],
    ],
    [
      'something at the old URL afterwards',
      {
        ...good,
        deliveries: [delivery(1), delivery(2, { url: '/hook/x/new' }), delivery(3)],
        changes: [{ subscription: 'x', url: '/hook/x/new' }],
      },
      ['x: 1 events went elsewhere after the change to /hook/x/new'],
    ],
    [
      'nothing while the API failed',
      { ...good, outages: [{ from: 11, to: 19 }] },
      ['x: nothing was delivered while the API failed'],
    ],
    [
      'another worker while the API failed',
      { ...good, outages: [{ from: 15, to: 35 }] },
      ['x: its worker changed while the API failed'],
    ],
    [
      'a stale write that came through',
      { ...good, stale: 0 },
      ['1 writes with the token of an earlier owner were not refused'],
    ],
    [
      'a worker that went on with what it had given up',
      { ...good, stale: 3 },
      ['2 writes of workers were refused: two were at work at once'],
    ],
  ]
  for (const [what, history, faults] of rows) {
    it(`on ${what}`, () => assert.deepEqual(judge(history).faults, faults))
  }

  it('counts', () => {
    const gone = { id: 'y', produced: 5, gone: 0 }
    const { faults, ...figures } = judge({ ...killed, subscriptions: [...killed.subscriptions, gone], busy: 2 })
    assert.deepEqual(faults, [])
    const events = { subscriptions: 1, removed: 1, instances: 1, produced: 3, delivered: 3, repeated: 1, byTwo: 0 }
    assert.deepEqual([judge(dead).repeated, judge(dead).byTwo], [1, 1])
    assert.deepEqual(figures, { ...events, busy: 2, stale: 1, slowest: 0.005, median: 0.005 })
  })
})

/** A world with one subscription, as others see it. */
async function worldFor(test: TestContext) {
  const world = new World()
  world.add('x', 'http://127.0.0.1/hook/x')
  const { url, stop } = await serve(world)
  test.after(stop)
  const ask = async (method: string, path: string, { token, ...content }: Record<string, unknown> = {}) => {
    const headers = { instance: 'a1:webhooks', pid: '11', token: String(token) }
    const body = method === 'GET' ? null : JSON.stringify(content)
    const answer = await fetch(url + path, { method, headers, body })
    return { status: answer.status, etag: answer.headers.get('etag'), content: await answer.json() }
  }
  return { world, url, ask }
}

describe('the world', () => {
  it('lists the subscriptions, with an ETag that is another when they change', async test => {
    const { url, ask } = await worldFor(test)
    const before = await ask('GET', '/subscriptions')
    assert.deepEqual(before.content, { data: [{ id: 'x', url: 'http://127.0.0.1/hook/x' }] })
    const known = { headers: { 'if-none-match': String(before.etag) } }
    assert.equal((await fetch(`${url}/subscriptions`, known)).status, 304)
    await ask('POST', '/subscriptions', { id: 'y', url: 'http://127.0.0.1/hook/y' })
    await ask('PATCH', '/subscriptions/y', { url: 'http://127.0.0.1/hook/z' })
    await ask('DELETE', '/subscriptions/x')
    const after = await ask('GET', '/subscriptions')
    assert.deepEqual(after.content, { data: [{ id: 'y', url: 'http://127.0.0.1/hook/z' }] })
    assert.notEqual(after.etag, before.etag)
  })

  it('answers 500 for the subscriptions while it fails, and for nothing else', async test => {
    const { world, ask } = await worldFor(test)
    world.failing = true
    world.produce('x')
    assert.equal((await ask('GET', '/subscriptions')).status, 500)
    assert.equal((await ask('GET', '/events?subscription=x&after=0')).status, 200)
  })

  it('answers as soon as there are events after the cursor', async test => {
    const { world, ask } = await worldFor(test)
    world.produce('x')
    const waits = ask('GET', '/events?subscription=x&after=1')
    while (world.listenerCount('x') === 0) await new Promise(resolve => setImmediate(resolve))
    world.produce('x')
    assert.deepEqual((await waits).content, { events: [{ id: 'x-2', subscription: 'x', number: 2 }] })
  })

  it('refuses the cursor of an earlier owner, near 2^53 too', async test => {
    const { world, ask } = await worldFor(test)
    assert.deepEqual((await ask('PUT', '/cursor/x', { token: '9007199254740992', cursor: 4 })).content, { cursor: 4 })
    assert.deepEqual((await ask('PUT', '/cursor/x', { token: '9007199254740993' })).content, { cursor: 4 })
    assert.equal((await ask('PUT', '/cursor/x', { token: '9007199254740992', cursor: 5 })).status, 409)
    assert.deepEqual((await ask('PUT', '/cursor/x', { token: '9007199254740993' })).content, { cursor: 4 })
    assert.equal(world.stale, 1)
  })

  it('keeps what its endpoints took, and whether the cursor was moved past it', async test => {
    const { world, ask } = await worldFor(test)
    for (const _ of [1, 2]) world.produce('x')
    for (const event of world.after('x', 0)) await ask('POST', '/hook/x', { ...event, token: 7 })
    await ask('PUT', '/cursor/x', { token: '7', cursor: 2 })
    const kept = world.deliveries.map(({ event, url, pid, token, done }) => [event, url, pid, token, done])
    assert.deepEqual(kept, [
      [1, '/hook/x', 11, '7', false],
      [2, '/hook/x', 11, '7', true],
    ])
  })
})
