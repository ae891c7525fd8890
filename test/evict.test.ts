import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Cluster } from '../lib/look/cluster.ts'
import { evict, evictionLine, instanceEviction, nodeEviction } from '../lib/operate/evict.ts'
import { clusterOf, heldBy, locks, me, memberOne, other, registeredOne } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'

const dead = registeredOne(other, { passing: false, nodeAlive: false })
const sick = registeredOne(other, { passing: false })
const alone = [memberOne(me)]

describe('one instance', () => {
  const refused: [string, Partial<Cluster>, RegExp][] = [
    ['that takes part', {}, /it lives; run leave there/],
    ['that is passing, without a session', { members: alone, registered: [registeredOne(other)] }, /it lives/],
    ['whose agent lives', { members: alone, registered: [sick] }, /its agent lives, and would register it again/],
  ]
  for (const [what, over, about] of refused) {
    it(`${what} is refused, but by force`, () => {
      assert.throws(() => instanceEviction(clusterOf(over), other, false), { name: 'Permanent', message: about })
      assert.equal(instanceEviction(clusterOf(over), other, true).node, null, 'a node that lives stays')
    })
  }

  it('that is dead goes, and its node with it', () => {
    const cluster = clusterOf({ members: alone, registered: [dead] })
    const eviction = instanceEviction(cluster, other, false)
    assert.deepEqual(eviction, { name: other, instances: [{ cluster, instance: other }], node: 'b' })
    assert.equal(evictionLine(eviction), `${other} (svc), and b from Consul`)
  })

  it('that nobody knows is refused, naming those that are there', () => {
    assert.throws(() => instanceEviction(clusterOf(), 'x:svc', true), {
      name: 'Permanent',
      message: `cannot evict x:svc: svc has no such instance; there are: ${me}, ${other}`,
    })
  })
})

it('a node that Consul does not answer for in the right shape is not taken for a dead one', async t => {
  const fake = await fakeConsul(t)
  for (const text of [null, {}, 'none', [null]]) {
    fake.script = ({ path }) => (path.startsWith('/v1/health/node/') ? { text: JSON.stringify(text) } : undefined)
    await assert.rejects(nodeEviction(fake.consul, 'b', false), { name: 'Temporary' })
  }
})

it('what is evicted leaves its terms: what it runs may outlive its lock for so long, whoever knows whose that was', async t => {
  const fake = await fakeConsul(t)
  const { keys } = clusterOf()
  fake.memory.put(keys.member(other), '{"lease":25000,"grace":1000}')
  fake.script = ({ path }) => {
    if (path.startsWith('/v1/catalog/deregister')) return { text: 'true' }
    return path.startsWith('/v1/session/node') ? { text: '[]' } : undefined
  }
  const held = { ...locks.held(other), held: heldBy(other, { lease: 10_000, grace: 8000 }) }
  const cluster = clusterOf({ members: alone, registered: [dead], locks: new Map([['0', held]]) })
  await evict(fake.consul, { name: other, instances: [{ cluster, instance: other }], node: null })
  assert.equal(fake.memory.keys.has(keys.member(other)), false)
  assert.deepEqual(fake.memory.value(keys.terms), { lease: 25_000, grace: 8000 })
})
