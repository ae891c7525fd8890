import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Permanent, Temporary } from '../../lib/base/errors.ts'
import { keysOf } from '../../lib/base/names.ts'
import { readPartitions } from '../../lib/keys/partition-set.ts'
import { byHand, changeByHand, concernedBy, documentFrom } from '../../lib/operate/partitions/by-hand.ts'
import { askForSync } from '../../lib/sources/ask.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { behaviours } from '../model/versions.ts'

const keys = keysOf('svc')
const before = ['a', 'b', 'c']
const none = { added: [], changed: [], removed: [] }

describe('what is changed by hand', () => {
  it('is a document exactly as it was written, in Consul and in what is read back', async t => {
    const { consul, memory } = await fakeConsul(t)
    const text = '{"big":9007199254740993,"huge":[1e400],"price":1.0}'
    await changeByHand(consul, keys, { ...none, added: ['a'] }, documentFrom(text, 'x.json'))
    const stored = memory.keys.get(keys.partition('a'))?.Value ?? ''
    assert.equal(Buffer.from(stored, 'base64').toString(), `{"from":"hand","document":${text}}`)
    const [read] = await readPartitions(consul, keys)
    assert.equal(JSON.stringify(read?.document), text)
  })

  it('is no document with a field that is there twice', () => {
    assert.throws(() => documentFrom('{"a":1,\n"a":2}', 'x.json'), {
      name: 'Permanent',
      message: 'cannot use the document x.json: line 2, column 1: the field "a" is there twice; mend it',
    })
  })

  it('is what is not so yet', () => {
    assert.deepEqual(byHand('add', before, ['b', 'd', 'd'], undefined), { ...none, added: ['d'] })
    assert.deepEqual(byHand('add', before, ['b', 'd'], {}), { ...none, added: ['d'], changed: ['b'] })
    assert.deepEqual(byHand('remove', before, ['b', 'd'], undefined), { ...none, removed: ['b'] })
    assert.deepEqual(byHand('set', before, ['b', 'd'], undefined), { ...none, added: ['d'], removed: ['a', 'c'] })
  })

  it('is of whoever did so from then on, with its document', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.partition('a'), '{"from":"source","document":1}')
    const plan = async (document: unknown, ...ids: string[]) => {
      const present = await concernedBy(consul, keys, 'add', ids)
      return changeByHand(consul, keys, byHand('add', present, ids, document), document)
    }
    assert.deepEqual(await plan({ n: 2 }, 'a', 'b'), { ...none, added: ['b'], changed: ['a'] })
    assert.deepEqual(await plan(undefined, 'a', 'c'), { ...none, added: ['c'] })
    const now = await readPartitions(consul, keys)
    assert.deepEqual(
      now.map(({ id, from, document }) => [id, from, document]),
      [
        ['a', 'hand', { n: 2 }],
        ['b', 'hand', { n: 2 }],
        ['c', 'hand', undefined],
      ],
    )
  })

  it('is never lost to somebody else who adds at the same moment', async t => {
    const { consul, memory } = await fakeConsul(t)
    const add = (n: number) => changeByHand(consul, keys, { ...none, added: [`p${n}`, 'shared'] }, { n })
    await Promise.all(Array.from({ length: 20 }, (_, n) => add(n)))
    assert.equal((await readPartitions(consul, keys)).length, 21)
    const shared = memory.keys.get(keys.partition('shared'))
    assert.equal(shared?.ModifyIndex, shared?.CreateIndex, 'who was quicker was not overwritten')
  })

  it('costs the same in a set of one or of thousands', async t => {
    const costs = async (size: number) => {
      const fake = await fakeConsul(t)
      const { consul, memory } = fake
      const value = JSON.stringify({ from: 'source', document: 'x'.repeat(1000) })
      for (let n = 0; n < size; n++) for (const key of [keys.partition, keys.lock]) memory.put(key(`p${n}`), value)
      let answered = 0
      fake.script = request => {
        const reply = memory.answer(request)
        answered += JSON.stringify(reply.text ?? '').length
        return reply
      }
      const before = await concernedBy(consul, keys, 'add', ['new'])
      await changeByHand(consul, keys, byHand('add', before, ['new'], undefined), undefined)
      const sent = fake.requests.reduce((sum, { body }) => sum + body.length, 0)
      return { answered, sent, requests: fake.requests.length }
    }
    const [small, large] = [await costs(1), await costs(2000)]
    assert.deepEqual([large.sent, large.requests], [small.sent, small.requests])
    assert.ok(
      large.answered <= small.answered + 100,
      `${large.answered} bytes answered, ${small.answered} of a set of one`,
    )
  })

  it('is refused for a new id that newer agents refuse, and done for one that is there', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.partition('old one'), '{"from":"hand"}')
    const add = (...added: string[]) => changeByHand(consul, keys, { ...none, added }, undefined)
    await assert.rejects(add('a', 'tenant one'), {
      name: 'Permanent',
      message: /^cannot add 1 partitions: .* holds a space; use another name: "tenant one" \(such as tenant-one\)$/,
    })
    assert.equal(memory.keys.size, 1, 'nothing was written')
    assert.deepEqual((await add('old one')).added, [])
    const remove = changeByHand(consul, keys, { ...none, removed: ['old one'] }, undefined)
    assert.deepEqual((await remove).removed, ['old one'])
  })

  it('says so where the agent takes no such key', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.partition('old one'), '{"from":"hand"}')
    memory.behaves = behaviours['1.22.5']
    assert.deepEqual(await concernedBy(consul, keys, 'remove', ['old one', 'b']), ['old one'])
    const remove = changeByHand(consul, keys, { ...none, removed: ['old one'] }, undefined)
    await assert.rejects(remove, /^Permanent: cannot use the key .*old%20one: the agent of this Consul refuses/)
  })

  it('takes any JSON, and nothing else, for a document', () => {
    assert.deepEqual(documentFrom('{"a": [1]}\n', '/f'), { a: [1] })
    assert.throws(() => documentFrom('{"a"', '-'), Permanent)
    const ofBytes = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2))
    assert.equal(String(documentFrom(ofBytes(262_144), '/f')).length, 262_142)
    for (const bytes of [262_145, 300_008, 400_000]) {
      const message = `cannot use the document /f: it takes ${bytes} bytes as one line of JSON, more than 262144; make it smaller, or have it name where the rest is`
      assert.throws(() => documentFrom(ofBytes(bytes), '/f'), { name: 'Permanent', message })
    }
  })
})

describe('a fetch that is asked for', () => {
  const duty = (request: string, ok: boolean) =>
    JSON.stringify({
      by: 'a:svc',
      problem: null,
      since: null,
      answer: { request, ok, said: ok ? 'added: x' : 'cannot' },
    })

  for (const ok of [true, false]) {
    it(`ends with what became of it: ${ok ? 'done' : 'failed'}`, async t => {
      const { consul, memory } = await fakeConsul(t)
      const asked = askForSync(consul, 'svc', { force: true }, 5000)
      memory.onWrite = written => {
        if (!written.includes(keys.sync)) return
        const request = memory.value(keys.sync) as { id: string; force: boolean }
        assert.equal(request.force, true)
        queueMicrotask(() => memory.put(keys.duty('source'), duty(request.id, ok)))
      }
      if (ok) assert.equal(await asked, 'added: x')
      else await assert.rejects(asked, Temporary)
    })
  }

  it('by two at once is answered to both', async t => {
    const { consul, memory } = await fakeConsul(t)
    const both = Promise.all([
      askForSync(consul, 'svc', { force: false }, 5000),
      askForSync(consul, 'svc', { force: false }, 5000),
    ])
    const timer = setInterval(() => {
      const request = memory.value(keys.sync) as { id: string } | null
      if (request) memory.put(keys.duty('source'), duty(request.id, true))
    }, 50)
    t.after(() => clearInterval(timer))
    assert.deepEqual(await both, ['added: x', 'added: x'])
  })

  it('of a service that has a set and no source does not wait for one', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.revision, '{}')
    const began = performance.now()
    await assert.rejects(askForSync(consul, 'svc', { force: false }, 60_000), {
      name: 'Temporary',
      message: /^cannot fetch the partitions of svc: no instance has ever fetched them, its definition has no source; /,
    })
    assert.ok(performance.now() - began < 30_000)
  })

  it('that nobody answers ends with the wait', async t => {
    const { consul } = await fakeConsul(t)
    await assert.rejects(askForSync(consul, 'svc', { force: false }, 300), /cannot wait longer: no instance of svc/)
  })
})
