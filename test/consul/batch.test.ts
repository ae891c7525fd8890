import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lastEntry, transactInBatches } from '../../lib/consul/batch.ts'
import { base64 } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { behaviours } from '../model/versions.ts'

const two = (key: string): Operation[] => [
  { Verb: 'check-not-exists', Key: key },
  { Verb: 'cas', Key: key, Index: 0, Value: base64('v') },
]
const one = (key: string): Operation[] => [{ Verb: 'cas', Key: key, Index: 0, Value: base64('v') }]
const bump: Operation = { Verb: 'set', Key: 'bump', Value: base64('now') }
const numbered = (count: number) => Array.from({ length: count }, (_, id) => `k${id}`)

describe('many conditional writes', () => {
  it('go in as few transactions as 64 operations each allow', async t => {
    const { consul, requests, memory } = await fakeConsul(t)
    const { done, refused } = await transactInBatches(consul, { items: numbered(100), operations: one })
    assert.deepEqual(
      requests.map(({ operations }) => operations.length),
      [64, 36],
    )
    assert.deepEqual([done, refused], [numbered(100), []])
    assert.equal(memory.keys.size, 100)
  })

  it('keep the operations of an item together', async t => {
    const { consul, requests } = await fakeConsul(t)
    const three = (key: string) => [...two(key), bump]
    await transactInBatches(consul, { items: numbered(22), operations: three })
    assert.deepEqual(
      requests.map(({ operations }) => operations.length),
      [63, 3],
    )
  })

  it('leave room for what goes along with each', async t => {
    const { consul, requests } = await fakeConsul(t)
    const seen: number[] = []
    await transactInBatches(consul, {
      items: numbered(60),
      operations: two,
      extra: items => {
        seen.push(items.length)
        return [bump]
      },
      extraRoom: 1,
    })
    assert.deepEqual(
      requests.map(({ operations }) => operations.length),
      [63, 59],
    )
    assert.deepEqual(seen, [31, 29])
    assert.ok(requests.every(({ operations }) => operations.at(-1)?.Key === 'bump'))
  })

  it('send nothing for nothing', async t => {
    const { consul, requests } = await fakeConsul(t)
    assert.deepEqual(await transactInBatches(consul, { items: [], operations: one, extra: () => [bump] }), {
      done: [],
      refused: [],
      unusable: [],
      hindrance: null,
    })
    assert.equal(requests.length, 0)
  })
})

describe('what is refused', () => {
  it('is dropped, and the rest of its transaction goes again with what comes next', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    for (const key of ['k3', 'k40', 'k70']) memory.put(key, 'older')
    const { done, refused } = await transactInBatches(consul, { items: numbered(80), operations: one })
    assert.deepEqual(refused, ['k3', 'k40', 'k70'])
    assert.deepEqual(
      done,
      numbered(80).filter(key => !refused.includes(key)),
    )
    assert.ok(requests.every(({ operations }) => operations.length <= 64))
    assert.equal(memory.value('bump'), null)
  })

  it('is dropped once, whichever and however many of its operations stood in the way', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('k1', 'older')
    const { done, refused } = await transactInBatches(consul, { items: numbered(3), operations: two })
    assert.deepEqual([done, refused], [['k0', 'k2'], ['k1']])
  })

  it('may be all', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    for (const key of numbered(3)) memory.put(key, 'older')
    const { done, refused } = await transactInBatches(consul, { items: numbered(3), operations: one })
    assert.deepEqual([done, refused], [[], numbered(3)])
    assert.equal(requests.length, 1)
  })

  it('is never told as done', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('k1', 'older')
    const told: string[] = []
    await transactInBatches(consul, {
      items: numbered(3),
      operations: one,
      onDone: items => {
        told.push(...items)
      },
    })
    assert.deepEqual(told, ['k0', 'k2'])
  })

  it('an unconditional operation that is refused is an error, not an endless loop', async t => {
    const fake = await fakeConsul(t)
    fake.script = () => ({ status: 409, text: '{"Errors":[{"OpIndex":1,"What":"?"}]}' })
    await assert.rejects(
      transactInBatches(fake.consul, { items: ['k'], operations: one, extra: () => [bump], extraRoom: 1 }),
      /carry no condition/,
    )
    assert.equal(fake.requests.length, 1)
  })
})

describe('being told', () => {
  it('comes after each transaction, with its entries, before the next', async t => {
    const { consul, requests } = await fakeConsul(t)
    const told: [number, number, number][] = []
    await transactInBatches(consul, {
      items: numbered(70),
      operations: one,
      onDone: async (items, entries) => {
        await new Promise(resolve => setTimeout(resolve, 5))
        told.push([requests.length, items.length, entries.length])
      },
    })
    assert.deepEqual(told, [
      [1, 64, 64],
      [2, 6, 6],
    ])
  })

  it('of the first stands when Consul is away for the second', async t => {
    const fake = await fakeConsul(t)
    const told: number[] = []
    fake.script = () => (fake.requests.length === 2 ? { status: 500, text: '' } : undefined)
    const sending = transactInBatches(fake.consul, {
      items: numbered(70),
      operations: one,
      onDone: items => {
        told.push(items.length)
      },
    })
    await assert.rejects(sending, { name: 'Temporary' })
    assert.deepEqual(told, [64])
  })

  it('makes the operations right before they are sent, and anew when they go again', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('k0', 'older')
    const made: string[] = []
    await transactInBatches(consul, {
      items: numbered(2),
      operations: key => {
        made.push(key)
        return one(key)
      },
    })
    assert.deepEqual(made, ['k0', 'k1', 'k1'])
  })
})

it('the last entry of a key is what a transaction left there', () => {
  const entry = (key: string, modifyIndex: number) => ({
    key,
    value: null,
    session: null,
    createIndex: 1,
    modifyIndex,
    lockIndex: 0,
  })
  const entries = [entry('a', 3), entry('b', 9), entry('a', 9)]
  assert.equal(lastEntry(entries, 'a')?.modifyIndex, 9)
  assert.equal(lastEntry(entries, 'c'), undefined)
})

describe('keys that newer agents refuse', () => {
  const odd = ['a%20b', 'a%2F..']
  const mixed = ['k0', odd[0] as string, ...numbered(40).slice(1), odd[1] as string]

  it('stand in transactions of their own, so that they cost nobody else anything', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    memory.behaves = behaviours['1.22.5']
    const told: string[] = []
    const { done, refused, unusable, hindrance } = await transactInBatches(consul, {
      items: mixed,
      operations: two,
      extra: () => [bump],
      extraRoom: 1,
      onDone: items => void told.push(...items),
    })
    assert.deepEqual([done, refused, unusable, told], [numbered(40), [], odd, numbered(40)])
    assert.match(
      String(hindrance),
      /^Permanent: cannot use the key a%20b: the agent of this Consul refuses .* a space;/,
    )
    assert.deepEqual(
      requests.map(({ operations }) => operations.length),
      [63, 19, 5],
    )
  })

  it('are written like any other by an older agent', async t => {
    const { consul, memory } = await fakeConsul(t)
    const { done, unusable } = await transactInBatches(consul, { items: mixed, operations: two })
    assert.deepEqual([done, unusable], [[...numbered(40), ...odd], []])
    assert.equal(memory.keys.size, mixed.length)
  })

  it('go alone where they would only go along', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    const wake: Operation = { Verb: 'set', Key: 'wake/node%20one:svc/released', Value: base64('now') }
    const send = () =>
      transactInBatches(consul, { items: ['k0'], operations: one, extra: () => [wake, bump], extraRoom: 2 })
    await send()
    assert.deepEqual(
      requests.map(({ operations }) => operations.map(({ Key }) => Key)),
      [['k0', 'bump'], [wake.Key]],
    )
    assert.ok(memory.keys.has(wake.Key))
    memory.behaves = behaviours['1.22.5']
    memory.remove('k0')
    assert.deepEqual((await send()).done, ['k0'])
  })
})
