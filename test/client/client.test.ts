import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { allocate, deallocate, owner, partitions } from '../../lib/client/client/client.ts'
import { cleanValue, heldValue } from '../../lib/keys/lock.ts'
import { fakeConsul, type Request } from '../fixtures/consul.ts'

const keys = keysOf('svc')
const none = { added: [], changed: [], unchanged: [], refused: [] }

/** A service whose set is there, and empty. */
async function service(t: TestContext, { defined = true } = {}) {
  const fake = await fakeConsul(t)
  if (defined) fake.memory.put(keys.revision, '{}')
  const { origin } = fake.consul.address
  const options = { env: { CONSUL_HTTP_ADDR: origin }, timeout: 1000 }
  const now = () => Object.fromEntries([...fake.memory.keys].map(([key, { Value }]) => [key, textOf(Value)]))
  const writes = () => fake.requests.filter(({ operations }) => operations.some(({ Verb }) => writing.includes(Verb)))
  return { ...fake, fake, options, now, writes }
}

const writing = ['set', 'cas', 'lock', 'unlock', 'delete', 'delete-cas']

function textOf(value: string | null): string {
  return Buffer.from(value ?? '', 'base64').toString()
}

function touches(key: string) {
  return ({ operations }: Request) => operations.some(({ Verb, Key }) => writing.includes(Verb) && Key === key)
}

describe('allocate', () => {
  it('makes a partition with its document and a clean lock, tells everybody, and the second time writes nothing', async t => {
    const { options, now, writes } = await service(t)
    const item = { id: 'Ünïcode/1', document: { total: 12 } }
    assert.deepEqual(await allocate('svc', item, options), { ...none, added: ['Ünïcode/1'] })
    const key = 'Ünïcode%2F1'
    assert.equal(now()[`watchbill/svc/partition/${key}`], '{"from":"hand","document":{"total":12}}')
    assert.equal(JSON.parse(now()[`watchbill/svc/lock/${key}`] ?? '').clean, true)
    assert.notEqual(now()[keys.revision], '{}')
    assert.ok(keys.documents in now())
    const before = writes().length
    assert.deepEqual(await allocate('svc', item, options), { ...none, unchanged: ['Ünïcode/1'] })
    assert.deepEqual(await allocate('svc', 'Ünïcode/1', options), { ...none, unchanged: ['Ünïcode/1'] })
    assert.equal(writes().length, before)
  })

  it('takes several, each with its own document, of which the last of one id counts', async t => {
    const { options } = await service(t)
    const wanted = ['a', { id: 'b', document: 1 }, { id: 'c', document: null }, { id: 'b', document: 2 }]
    assert.deepEqual(await allocate('svc', wanted, options), { ...none, added: ['a', 'b', 'c'] })
    const there = await partitions('svc', options)
    assert.deepEqual(
      there.map(({ id, from, ...rest }) => [id, from, 'document' in rest ? rest.document : 'none']),
      [
        ['a', 'hand', 'none'],
        ['b', 'hand', 2],
        ['c', 'hand', null],
      ],
    )
  })

  it('gives one that is there another document', async t => {
    const { options, memory, now } = await service(t)
    memory.put(keys.partition('a'), '{"from":"source","document":1}')
    assert.deepEqual(await allocate('svc', { id: 'a', document: 2 }, options), { ...none, changed: ['a'] })
    assert.equal(now()[keys.partition('a')], '{"from":"hand","document":2}')
  })

  it('makes its own what a definition or a source has brought, with the document that it has', async t => {
    const { options, memory, now } = await service(t)
    memory.put(keys.partition('a'), '{"from":"source","document":1e400}')
    memory.put(keys.partition('b'), '{"from":"definition"}')
    assert.deepEqual(await allocate('svc', ['a', 'b'], options), { ...none, changed: ['a', 'b'] })
    assert.equal(now()[keys.partition('a')], '{"from":"hand","document":1e400}')
    assert.equal(now()[keys.partition('b')], '{"from":"hand"}')
    assert.deepEqual(await allocate('svc', ['a', 'b'], options), { ...none, unchanged: ['a', 'b'] })
  })

  it('leaves a lock that is there from before as it is', async t => {
    const { options, memory, now } = await service(t)
    memory.put(keys.lock('a'), '{"who":"knows"}')
    assert.deepEqual(await allocate('svc', 'a', options), { ...none, added: ['a'] })
    assert.equal(now()[keys.lock('a')], '{"who":"knows"}')
  })

  it('changes one only as it was read, and says which ones it did not', async t => {
    const { options, memory } = await service(t)
    memory.put(keys.partition('a'), '{"from":"hand","document":1}')
    const [read] = await partitions('svc', options)
    assert.ok(read)
    assert.deepEqual(await allocate('svc', { ...read, document: 2 }, options), { ...none, changed: ['a'] })
    assert.deepEqual(await allocate('svc', { ...read, document: 3 }, options), { ...none, refused: ['a'] })
    // Its own work, whose answer was lost.
    assert.deepEqual(await allocate('svc', { ...read, document: 2 }, options), { ...none, unchanged: ['a'] })
    assert.deepEqual(await allocate('svc', { id: 'a', document: 4, index: 0 }, options), { ...none, refused: ['a'] })
    assert.deepEqual(await allocate('svc', { id: 'b', index: 0 }, options), { ...none, added: ['b'] })
    assert.deepEqual(await allocate('svc', { id: 'gone', index: 7 }, options), { ...none, refused: ['gone'] })
  })

  it('looks again when somebody is quicker', async t => {
    const { options, memory, fake } = await service(t)
    memory.put(keys.partition('a'), '{"from":"hand","document":1}')
    const [read] = await partitions('svc', options)
    assert.ok(read)
    const quicker = (document: number) => {
      let once = true
      fake.script = request => {
        if (once && touches(keys.partition('a'))(request)) {
          once = false
          memory.put(keys.partition('a'), JSON.stringify({ from: 'hand', document }))
        }
        return undefined
      }
    }
    quicker(5)
    assert.deepEqual(await allocate('svc', { ...read, document: 2 }, options), { ...none, refused: ['a'] })
    quicker(6)
    assert.deepEqual(await allocate('svc', { id: 'a', document: 2 }, options), { ...none, changed: ['a'] })
  })

  it('adds nothing where nobody has written a set: of what was lost, nobody knows what still runs', async t => {
    const { options, memory, writes } = await service(t, { defined: false })
    memory.put(keys.member('a:svc'), '{}')
    const refused = {
      name: 'Permanent',
      message: /^cannot find the service svc: watchbill keeps no such partition set; /,
    }
    await assert.rejects(allocate('svc', 'a', options), refused)
    await assert.rejects(deallocate('svc', 'a', options), refused)
    await assert.rejects(partitions('svc', options), refused)
    await assert.rejects(owner('svc', 'a', options), refused)
    assert.equal(writes().length, 0)
  })

  it('refuses what can be no partition, and writes nothing of the rest', async t => {
    const { options, writes } = await service(t)
    const large = 'x'.repeat(256 * 1024)
    const refused: [string | { id: string; document?: unknown }, RegExp][] = [
      ['', /it takes 0 bytes encoded/],
      ['a\n', /control characters/],
      ['a b', /take no key that holds a space/],
      [{ id: 'l', document: large }, /it takes 262146 bytes, more than 262144; have it name where the rest is/],
      [{ id: 'f', document: () => 1 }, /it is no JSON/],
      [{ id: 'f', document: 1n }, /cannot use the document of f: it is no JSON/],
      [7 as unknown as string, /^cannot use the id 7: it is no text; /],
      [{ id: 7 as unknown as string }, /^cannot use the id 7: it is no text; /],
      [undefined as unknown as string, /^cannot use the id undefined: it is no text; /],
    ]
    await assert.rejects(deallocate('svc', [7 as unknown as string], options), { name: 'Permanent' })
    for (const [item, message] of refused)
      await assert.rejects(allocate('svc', ['good', item], options), { name: 'Permanent', message })
    assert.equal(writes().length, 0)
  })

  it('is tried again by whoever called, when Consul is away', async t => {
    const { options, fake } = await service(t)
    fake.script = () => ({ status: 500, text: 'No cluster leader' })
    await assert.rejects(allocate('svc', 'a', options), { name: 'Temporary', message: /No cluster leader/ })
  })
})

describe('deallocate', () => {
  it('removes what is there, and leaves its lock to whoever holds it', async t => {
    const { options, now } = await service(t)
    await allocate('svc', ['a', 'b'], options)
    const gone = await deallocate('svc', ['a', { id: 'c' }], options)
    assert.deepEqual(gone, { removed: ['a'], absent: ['c'], refused: [] })
    assert.deepEqual(
      [keys.partition('a') in now(), keys.lock('a') in now(), keys.partition('b') in now()],
      [...[false, true, true]],
    )
    assert.deepEqual(await deallocate('svc', 'a', options), { removed: [], absent: ['a'], refused: [] })
  })

  it("asks Consul for keys alone, as everything here: a policy for the service's keys is enough", async t => {
    const { options, requests } = await service(t)
    await allocate('svc', { id: 'a', document: 1 }, options)
    await allocate('svc', { id: 'a', document: 2 }, options)
    await partitions('svc', options)
    await owner('svc', 'a', options)
    await deallocate('svc', 'a', options)
    assert.deepEqual(
      requests.filter(({ path }) => !/^\/v1\/(kv|txn)\b/.test(path)),
      [],
    )
  })

  it('does so only as it was read, where that is asked for', async t => {
    const { options, memory } = await service(t)
    await allocate('svc', ['a', 'b'], options)
    const read = await partitions('svc', options)
    memory.put(keys.partition('a'), '{"from":"hand","document":1}')
    assert.deepEqual(await deallocate('svc', read, options), { removed: ['b'], absent: [], refused: ['a'] })
    assert.deepEqual(await deallocate('svc', read, options), { removed: [], absent: ['b'], refused: ['a'] })
  })
})

describe('owner', () => {
  it('is not nobody while somebody holds the lock whose value was overwritten', async t => {
    const { options, memory } = await service(t)
    memory.session('s', 'n', 'watchbill n:svc')
    memory.lock(keys.lock('a'), 's', '{}')
    memory.put(keys.lock('a'), 'garbled')
    const refused = { name: 'Temporary', message: /^cannot tell who has a: its lock was overwritten; / }
    await assert.rejects(owner('svc', 'a', options), refused)
  })

  it('is the instance whose session holds the lock, and nobody otherwise', async t => {
    const { options, consul, memory } = await service(t)
    memory.put(keys.lock('free'), cleanValue('now'))
    const session = memory.answer({
      ...{ method: 'PUT', path: '/v1/session/create', body: '{"Node":"n"}', operations: [], node: 'n' },
    })
    const { ID } = (typeof session.text === 'string' ? JSON.parse(session.text) : session.text) as { ID: string }
    const value = heldValue({ instance: 'n:svc', acquisition: '1', lease: 1, grace: 1, since: '', version: '' })
    const Value = Buffer.from(value).toString('base64')
    const body = JSON.stringify([{ KV: { Verb: 'lock', Key: keys.lock('Ünïcode'), Session: ID, Value } }])
    await consul.request('PUT', '/v1/txn', { body })
    assert.equal(await owner('svc', 'Ünïcode', options), 'n:svc')
    assert.equal(await owner('svc', 'free', options), null)
    assert.equal(await owner('svc', 'none', options), null)
  })
})
