import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lackingInstances, lackingKeys, mustBeComplete } from '../lib/look/complete.ts'
import { clusterOf, locks, me, memberOne, other, registeredOne } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'

const nothing = { partitions: [], instances: [] }
const whole = clusterOf({
  partitions: new Set(['0', '1']),
  locks: new Map([
    ['0', locks.held(me)],
    ['1', locks.clean()],
  ]),
})

describe('keys that should be there', () => {
  it('are none in a whole look', () => assert.deepEqual(lackingKeys(whole, { ...nothing, partitions: ['0'] }), []))

  it('are the lock of a partition, and the partition of a lock', () => {
    const cluster = clusterOf({ partitions: new Set(['0']), locks: new Map([['1', locks.clean()]]) })
    assert.deepEqual(lackingKeys(cluster, nothing), [cluster.keys.lock('0'), cluster.keys.partition('1')])
  })

  it('are both of what this instance has', () => {
    const { keys } = whole
    assert.deepEqual(lackingKeys(whole, { ...nothing, partitions: ['7'] }), [keys.partition('7'), keys.lock('7')])
  })
})

describe('instances that should be registered', () => {
  it('are the members', () => {
    const cluster = clusterOf({ members: [memberOne(me), memberOne(other)], registered: [registeredOne(me)] })
    assert.deepEqual(lackingInstances(cluster, nothing), [other])
  })

  it('and this instance', () => {
    const cluster = clusterOf({ members: [], registered: [] })
    assert.deepEqual(lackingInstances(cluster, { ...nothing, instances: [me] }), [me])
  })
})

describe('what a look lacks', () => {
  it('costs no request when nothing is', async t => {
    const { consul, requests } = await fakeConsul(t)
    await mustBeComplete(consul, whole, { partitions: ['0'], instances: [me] })
    assert.deepEqual(requests, [])
  })

  const bare = clusterOf({ members: [memberOne(me)], registered: [], partitions: new Set(), locks: new Map() })
  const cases: [string, string, string][] = [
    ['a partition', bare.keys.partition('0'), 'key_prefix "watchbill/svc/partition/" read'],
    ['a lock', bare.keys.lock('0'), 'key_prefix "watchbill/svc/lock/" read'],
    ['the service', 'svc', 'service:read on svc'],
    ['a node', 'a', 'node:read on a'],
  ]
  for (const [what, denied, missing] of cases) {
    it(`because the token may not see ${what} is a refusal`, async t => {
      const { consul, memory } = await fakeConsul(t)
      memory.denied = key => key === denied
      await assert.rejects(mustBeComplete(consul, bare, { partitions: ['0'], instances: [] }), {
        name: 'Permanent',
        missing,
      })
    })
  }

  it('because it is not there is no error', async t => {
    const { consul } = await fakeConsul(t)
    await mustBeComplete(consul, bare, { partitions: ['0'], instances: [] })
  })

  it('where access is not controlled is no error', async t => {
    const fake = await fakeConsul(t)
    fake.script = ({ path }) =>
      path.endsWith('/authorize') ? { status: 401, text: 'ACL support disabled', index: null } : undefined
    await mustBeComplete(fake.consul, bare, nothing)
  })

  it('is not known when Consul does not say', async t => {
    const fake = await fakeConsul(t)
    for (const reply of [
      { text: '[]' },
      { text: '[{}]' },
      { status: 401, text: 'log in' },
      { status: 404, text: '' },
    ]) {
      fake.script = ({ path }) => (path.endsWith('/authorize') ? reply : undefined)
      await assert.rejects(mustBeComplete(fake.consul, bare, nothing), { name: 'Temporary' })
    }
  })
})
