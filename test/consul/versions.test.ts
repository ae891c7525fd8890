/** What is asked of Consul has to do in every version: the same on each stand-in. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { released } from '../../lib/act/incoming.ts'
import { renew } from '../../lib/act/renew.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { refusedOf } from '../../lib/consul/access.ts'
import { entriesBelow, mustBeReadable, transact, unwritten } from '../../lib/consul/kv.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { tellLost } from '../../lib/hooks/instance.ts'
import { addPartitions } from '../../lib/keys/partition-set.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { instanceLease } from '../../lib/state/lease.ts'
import { definition, me, other, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'
import { behaviourOf, behaviours, limited, type Version } from '../model/versions.ts'

const keys = keysOf('svc')
const versions = Object.keys(behaviours) as Version[]

for (const version of versions) {
  describe(`Consul ${version}`, () => {
    const behaves = behaviours[version]

    it('takes what is written in batches, and what is read back, with fields that nobody knows', async t => {
      const { consul, memory } = await fakeConsul(t)
      memory.behaves = behaves
      const items = Array.from({ length: 150 }, (_, n) => ({ id: `ü${n}/a:b` }))
      assert.equal((await addPartitions(consul, keys, items, 'hand')).length, 150)
      const { partitions, locks } = await lookAtCluster(consul, 'svc')
      assert.deepEqual([partitions.size, locks.size], [150, 150])
    })

    it('answers whether a key may be read', async t => {
      const { consul, memory } = await fakeConsul(t)
      memory.behaves = behaves
      await mustBeReadable(consul, [keys.locks, keys.members, keys.restarts].map(unwritten))
      const questions = Array.from({ length: 65 }, () => ({ resource: 'key', access: 'read', of: 'k' }) as const)
      assert.deepEqual(await refusedOf(consul, questions), [])
    })

    it('may deny: the permission is named, whatever else its 403 says', async t => {
      const { consul, fake } = await fakeConsul(t).then(fake => ({ consul: fake.consul, fake }))
      fake.script = () => ({ status: 403, text: behaves.denial })
      const write = transact(consul, [{ Verb: 'set', Key: keys.revision }])
      await assert.rejects(write, /^Permanent: cannot PUT \/v1\/txn: missing permission: /)
    })

    it('lets one of those that are left tell of an instance that is lost', async t => {
      const { consul, memory } = await fakeConsul(t)
      memory.behaves = behaves
      const index = memory.put(keys.member(other), '{}')
      const files = stateOf(t)
      const run = contextOf(consul, files)
      const hooks = { lost: { command: ['true'], timeout: 1000 } } as unknown as Definition['hooks']
      await tellLost(run, snapshotOf({ lost: new Map([[other, index]]), definition: { ...definition, hooks } }))
      assert.equal(readdirSync(files.events).length, 1)
    })

    it('ends a wait for a hand-over sooner or later, and never fails it', async t => {
      const { consul, memory } = await fakeConsul(t)
      memory.behaves = behaves
      const waited = released(contextOf(consul, stateOf(t)), snapshotOf({ index: 1 }), bootClock() + 300)
      assert.equal(await waited, behaves.refusesUrl(keys.wake(me)) === null)
    })
  })
}

describe('a guard', () => {
  for (const [what, reply] of Object.entries(limited)) {
    it(`whose requests are limited (${what}) extends nothing, and loses nothing`, async t => {
      const { consul, fake, memory } = await fakeConsul(t).then(fake => ({ ...fake, fake }))
      const files = stateOf(t)
      writeFact(files.session, memory.session('s1', 'a'))
      fake.script = () => reply
      const t0 = bootClock()
      const self = { service: 'svc', serviceId: 'svc', instance: me, node: 'a', definitionFile: '/nowhere', files }
      await assert.rejects(renew({ ...self, consul }, new Map(), t0), { name: 'Temporary' })
      assert.equal(instanceLease(files, bootClock()), null)
    })
  }
})

it('an index that goes back is asked for as it is', async t => {
  const { consul, fake } = await fakeConsul(t).then(fake => ({ consul: fake.consul, fake }))
  fake.script = () => ({ text: [], index: 50 })
  const { index } = await entriesBelow(consul, 'watchbill/.lock/x/', '346', 100)
  assert.equal(index, '50')
  await entriesBelow(consul, 'watchbill/.lock/x/', index, 100)
  assert.match(fake.requests.at(-1)?.path ?? '', /&index=50&/)
})

it('a version is expected to do what the last one does that was read', () => {
  const is = (version: string, known: Version) => assert.equal(behaviourOf(version), behaviours[known], version)
  is('1.8.7', '1.8.7')
  is('1.7.0', '1.8.7')
  is('1.21.4', '1.16.4')
  is('1.21.5', '1.21.5')
  is('1.22.3+ent', '1.22.0')
  is('v2.1.0', '1.22.5')
})
