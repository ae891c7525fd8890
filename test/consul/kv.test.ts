import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Temporary } from '../../lib/base/errors.ts'
import {
  apartBelow,
  base64,
  entriesAt,
  entryOf,
  keysBelow,
  look,
  mustBeReadable,
  mustBeWritable,
  transact,
  trees,
} from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { fakeConsul, type Reply } from '../fixtures/consul.ts'

describe('an entry', () => {
  const raw = { Key: 'k', Value: base64('ü'), Session: 's', CreateIndex: 1, ModifyIndex: 2, LockIndex: 3 }

  it('has its value decoded', () => {
    assert.deepEqual(entryOf(raw), { key: 'k', value: 'ü', session: 's', createIndex: 1, modifyIndex: 2, lockIndex: 3 })
  })

  it('is free with an empty session, or none', () => {
    assert.equal(entryOf({ ...raw, Session: '' }).session, null)
    const { Session, ...free } = raw
    assert.equal(entryOf(free).session, null)
    assert.equal(Session, 's')
  })

  it('has no value when it is null or empty', () => {
    assert.equal(entryOf({ ...raw, Value: null }).value, null)
    assert.equal(entryOf({ ...raw, Value: '' }).value, null)
  })

  for (const garbage of [
    null,
    undefined,
    5,
    'k',
    {},
    { Key: 5, ModifyIndex: 2 },
    { Key: 'k' },
    { Key: 'k', ModifyIndex: '2' },
  ]) {
    it(`is not ${JSON.stringify(garbage)}`, () => assert.throws(() => entryOf(garbage as never), { name: 'Temporary' }))
  }
})

describe('keys by their names', () => {
  it('are found however many there are, and left out where they are not there', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    const all = Array.from({ length: 150 }, (_, n) => `k/${n}`)
    for (const key of all.filter((_, n) => n % 3 > 0)) memory.put(key, key)
    const found = await entriesAt(consul, all)
    assert.deepEqual(
      found.map(({ key, value }) => [key, value]),
      all.filter((_, n) => n % 3 > 0).map(key => [key, key]),
    )
    assert.ok(requests.every(({ path }) => path === '/v1/txn?consistent'))
    assert.deepEqual(await entriesAt(consul, []), [])
    assert.deepEqual(await entriesAt(consul, ['none']), [])
  })

  it('are not none when the answer lacks them', async t => {
    const fake = await fakeConsul(t)
    fake.memory.put('k', 'v')
    fake.script = () => ({ text: { Results: null, Errors: null } })
    await assert.rejects(entriesAt(fake.consul, ['k']), Temporary)
  })

  it('that may not be read are denied, and not missing', async t => {
    const fake = await fakeConsul(t)
    const Errors = [{ OpIndex: 0, What: 'Permission denied' }]
    fake.script = () => ({ status: 409, text: { Results: null, Errors } })
    await assert.rejects(entriesAt(fake.consul, ['watchbill/svc/partition/0']), /missing permission.*partition.*read/)
  })
})

describe('the keys below a prefix', () => {
  it('are listed by a consistent read', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    for (const key of ['p/a', 'p/b', 'q']) memory.put(key, '')
    assert.deepEqual(await keysBelow(consul, 'p/'), ['p/a', 'p/b'])
    assert.equal(requests[0]?.path, '/v1/kv/p/?keys&consistent')
  })

  it('are none when Consul says that there are none', async t => {
    const { consul } = await fakeConsul(t)
    assert.deepEqual(await keysBelow(consul, 'p/'), [])
  })

  it('are asked for with every segment encoded, so that a percent stays one', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    memory.put('p%2F/ü', '')
    assert.deepEqual(await keysBelow(consul, 'p%2F/'), ['p%2F/ü'])
    assert.equal(requests[0]?.path, '/v1/kv/p%252F/?keys&consistent')
  })

  const failures: [string, Reply][] = [
    ['a 404 that does not carry Consul’s index', { status: 404, text: 'page not found', index: null }],
    ['a list that does not carry Consul’s index', { text: ['p/a'], index: null }],
    ['an empty list that does not carry Consul’s index', { text: [], index: null }],
    ['a page', { text: '<html>' }],
    ['nothing', { text: '' }],
    ['null', { text: 'null' }],
    ['an object', { text: '{"Keys":[]}' }],
    ['half a list', { text: '["p/a","p' }],
    ['entries for keys', { text: [{ Key: 'p/a' }] }],
    ['keys of elsewhere', { text: ['p/a', 'q/b'] }],
    ['an error', { status: 500, text: 'No cluster leader' }],
    ['a redirect', { status: 301, text: '' }],
    ['too many requests', { status: 429, text: '' }],
  ]
  for (const [what, reply] of failures) {
    it(`are not known after ${what}`, async t => {
      const fake = await fakeConsul(t)
      fake.script = () => reply
      await assert.rejects(keysBelow(fake.consul, 'p/'), { name: 'Temporary' })
    })
  }

  it('are forbidden for good with the wrong token', async t => {
    const fake = await fakeConsul(t)
    fake.script = () => ({ status: 403, text: 'Permission denied' })
    await assert.rejects(keysBelow(fake.consul, 'p/'), {
      name: 'Permanent',
      message: /missing permission: key_prefix "p\/" read; give it to the token/,
    })
  })
})

describe('a transaction', () => {
  const set: Operation = { Verb: 'set', Key: 'k', Value: base64('v') }

  it('sends its operations, and answers the entries', async t => {
    const { consul, requests } = await fakeConsul(t)
    const outcome = await transact(consul, [set])
    assert.deepEqual(JSON.parse(requests[0]?.body ?? ''), [{ KV: set }])
    assert.ok(outcome.done)
    assert.deepEqual(
      outcome.entries.map(({ key }) => key),
      ['k'],
    )
  })

  it('that is refused names the positions', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('y', '')
    const outcome = await transact(consul, [
      set,
      { Verb: 'check-index', Key: 'k', Index: 5 },
      { Verb: 'check-not-exists', Key: 'x' },
      { Verb: 'delete-cas', Key: 'y', Index: 5 },
    ])
    assert.deepEqual(outcome, { done: false, failed: new Set([1, 3]) })
    assert.deepEqual([...memory.keys.keys()], ['y'])
  })

  it('that only looks is a consistent one', async t => {
    const { consul, requests } = await fakeConsul(t)
    await look(consul, [{ Verb: 'get-tree', Key: 'k' }])
    await transact(consul, [set])
    assert.deepEqual(
      requests.map(({ path }) => path),
      ['/v1/txn?consistent', '/v1/txn'],
    )
  })

  it('that finds nothing says so, in both ways that Consul has', async t => {
    const fake = await fakeConsul(t)
    for (const Results of [null, []]) {
      fake.script = () => ({ text: { Results, Errors: null } })
      assert.deepEqual(await look(fake.consul, [{ Verb: 'get-tree', Key: 'k' }]), { done: true, entries: [] })
    }
  })

  const failures: [string, Reply][] = [
    ['an error', { status: 500, text: 'No cluster leader' }],
    ['too much', { status: 413, text: 'too many operations' }],
    ['a page', { text: '<html>' }],
    ['nothing', { text: '' }],
    ['null', { text: 'null' }],
    ['no results', { text: '{}' }],
    ['results of another kind', { text: '{"Results":"none"}' }],
    ['a result without a key', { text: '{"Results":[{}]}' }],
    ['a null for a result’s key', { text: '{"Results":[{"KV":null}]}' }],
    ['a refusal that is a page', { status: 409, text: '<html>' }],
    ['a refusal without reasons', { status: 409, text: '{"Results":null,"Errors":null}' }],
    ['a refusal with no reason', { status: 409, text: '{"Errors":[]}' }],
    ['a refusal that is null', { status: 409, text: 'null' }],
    [
      'a refusal of an operation that was not sent',
      { status: 409, text: '{"Errors":[{"OpIndex":7,"What":"Permission denied"}]}' },
    ],
  ]
  for (const [what, reply] of failures) {
    it(`that is answered with ${what} is neither done nor refused`, async t => {
      const fake = await fakeConsul(t)
      fake.script = () => reply
      await assert.rejects(transact(fake.consul, [set]), { name: 'Temporary' })
    })
  }
})

describe('a transaction that is refused for want of a permission', () => {
  const refusals: [string, string][] = [
    ['names the permission', '{"Errors":[{"OpIndex":0,"What":"rpc error: Permission denied"}]}'],
    [
      'is no refusal of the rest',
      '{"Errors":[{"OpIndex":1,"What":"index is stale"},{"OpIndex":0,"What":"Permission denied: token lacks key:write"}]}',
    ],
  ]
  for (const [what, text] of refusals) {
    it(what, async t => {
      const fake = await fakeConsul(t)
      fake.script = () => ({ status: 409, text })
      const sent = transact(fake.consul, [
        { Verb: 'set', Key: 'watchbill/a/lock/7', Value: '' },
        { Verb: 'set', Key: 'watchbill/a/lock/8', Value: '' },
      ])
      await assert.rejects(sent, { name: 'Permanent', missing: 'key_prefix "watchbill/a/lock/" write' })
    })
  }
})

describe('what the token may not read', () => {
  it('is a refusal, whichever of several trees it is', async t => {
    const { consul, memory } = await fakeConsul(t)
    for (const key of ['a/1', 'b/1']) memory.put(key, key)
    memory.denied = key => key.startsWith('b/')
    await assert.rejects(trees(consul, ['a/', 'b/']), { missing: 'key_prefix "b/" read' })
  })

  it('is no empty list', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('watchbill/a/partition/1', '')
    memory.denied = () => true
    await assert.rejects(keysBelow(consul, 'watchbill/a/partition/'), {
      missing: 'key_prefix "watchbill/a/partition/" read',
    })
  })

  it('is told from what is not there', async t => {
    const { consul, memory } = await fakeConsul(t)
    assert.deepEqual(await keysBelow(consul, 'a/'), [])
    await mustBeReadable(consul, ['a/1', 'a/2'])
    memory.denied = key => key === 'a/2'
    await assert.rejects(mustBeReadable(consul, ['a/1', 'a/2']), { name: 'Permanent' })
  })

  it('is told from what has come since', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('a/1', '')
    await mustBeReadable(consul, ['a/1'])
  })
})

it('what the token may not write is a refusal, and nothing is written to find out', async t => {
  const { consul, memory, requests } = await fakeConsul(t)
  memory.denied = key => key === 'b'
  await mustBeWritable(consul, ['a'])
  await assert.rejects(mustBeWritable(consul, ['a', 'b']), { missing: 'key_prefix "b" write' })
  assert.deepEqual([memory.keys.size, requests.map(({ path }) => path)], [0, Array(2).fill('/v1/txn?consistent')])
})

describe('trees', () => {
  it('are read at one index', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    for (const key of ['a/1', 'b/1', 'b/2', 'c/1']) memory.put(key, key)
    const entries = await trees(consul, ['a/', 'b/', 'nothing/'])
    assert.deepEqual(
      entries.map(({ value }) => value),
      ['a/1', 'b/1', 'b/2'],
    )
    assert.equal(requests.length, 2, 'and for what is bare, whether it may be read')
  })

  it('cost one request when none is bare', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    for (const key of ['a/1', 'b/1']) memory.put(key, key)
    await trees(consul, ['a/', 'b/'])
    assert.equal(requests.length, 1)
  })

  it('come apart by their prefixes, in whatever order; what is below none is left out', () => {
    const entries = ['b/1', 'a/1', 'a', 'c/1', 'b/2', 'a/2'].map(Key =>
      entryOf({ Key, Value: null, CreateIndex: 1, ModifyIndex: 1, LockIndex: 0 }),
    )
    const below = apartBelow(entries, ['a/', 'nothing/', 'b/'])
    assert.deepEqual(
      below.map(some => some.map(({ key }) => key)),
      [['a/1', 'a/2'], [], ['b/1', 'b/2']],
    )
  })

  it('are not known when Consul refuses', async t => {
    const fake = await fakeConsul(t)
    fake.script = () => ({ status: 409, text: '{"Errors":[{"OpIndex":0,"What":"?"}]}' })
    await assert.rejects(trees(fake.consul, ['a/']), { name: 'Temporary', message: /cannot read a\// })
  })
})
