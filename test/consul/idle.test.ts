/** A connection that was idle for too long: newer agents close it, and that may be just as it is used again. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Consul } from '../../lib/consul/http.ts'
import { base64, entriesBelow, look, transact } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { until } from '../lab/until.ts'
import { behaviours } from '../model/versions.ts'

const key = 'watchbill/x/y'
const create: Operation = { Verb: 'cas', Key: key, Index: 0, Value: base64('mine') }

/** Its 120 s of idleness are 30 ms. */
async function hasty(t: TestContext) {
  const fake = await fakeConsul(t)
  fake.memory.behaves = behaviours['1.22.5']
  fake.hurry = 4000
  return fake
}

/** A connection whose time is over at once, and that is closed when it is used again: nothing showed it before. */
async function stale(t: TestContext) {
  const fake = await hasty(t)
  fake.atReuse = true
  fake.hurry = Number.MAX_VALUE
  await entriesBelow(fake.consul, 'watchbill/')
  return fake
}

describe('a connection that the agent closed while it was idle', () => {
  it('is not used again', async t => {
    const fake = await hasty(t)
    await entriesBelow(fake.consul, 'watchbill/')
    await until('the agent to close it', async () => (await fake.connections()) === 0)
    assert.equal((await transact(fake.consul, [create])).done, true)
    assert.deepEqual(fake.unread, [])
  })

  it('was closed by ourselves before, mostly: what is written then has no fate to doubt', async t => {
    const fake = await fakeConsul(t)
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: fake.consul.address.origin }, idle: 30 })
    t.after(() => consul.close())
    await entriesBelow(consul, 'watchbill/')
    await until('it to be closed', async () => (await fake.connections()) === 0)
  })
})

describe('a connection that is closed as it is used again', () => {
  it('costs a read nothing', async t => {
    const { consul, unread, requests } = await stale(t)
    assert.deepEqual((await entriesBelow(consul, 'watchbill/')).entries, [])
    assert.deepEqual([unread.length, requests.length], [1, 2])
  })

  it('costs a read-only transaction nothing', async t => {
    const { consul, unread } = await stale(t)
    const outcome = await look(consul, [{ Verb: 'check-not-exists', Key: key }])
    assert.deepEqual([outcome.done, unread.length], [true, 1])
  })

  it('has a write fail, which is not sent again: nobody knows whether it was done', async t => {
    const { consul, unread, requests, memory } = await stale(t)
    await assert.rejects(transact(consul, [create]), {
      name: 'Temporary',
      message: /^cannot reach Consul at .*: .*, and nobody knows whether it was done; look, then try again$/,
    })
    assert.deepEqual([unread.length, requests.length, memory.keys.size], [1, 1, 0])
    assert.equal((await transact(consul, [create])).done, true)
  })

  it('may have taken the write: sent again, that would be refused as another’s', async t => {
    const fake = await fakeConsul(t)
    await entriesBelow(fake.consul, 'watchbill/')
    fake.script = request => {
      fake.memory.answer(request)
      return { cut: true }
    }
    await assert.rejects(transact(fake.consul, [create]), { name: 'Temporary', message: /nobody knows whether/ })
    assert.deepEqual([fake.requests.length, fake.memory.keys.size], [2, 1])
  })

  it('is a fault of the agent where it happens to a new one, and a read too is not repeated for ever', async t => {
    const fake = await fakeConsul(t)
    await entriesBelow(fake.consul, 'watchbill/')
    fake.script = () => ({ cut: true })
    await assert.rejects(entriesBelow(fake.consul, 'watchbill/'), { message: /http_max_conns_per_client/ })
    assert.equal(fake.requests.length, 3)
  })
})
