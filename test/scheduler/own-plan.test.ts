/** The keys of a plan: parts that fit into Consul, a pointer that is written last, and readers that see a whole plan or none. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entriesAt } from '../../lib/consul/kv.ts'
import { contentOf, findPlan, keptPlan, noVariables, type OwnPlan, putPlanInForce } from '../../lib/keys/own-plan.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { keys } from './service.ts'

const plain: Omit<OwnPlan, 'revision'> = {
  ...{ assignment: new Map(), nobody: new Map(), version: null, variables: noVariables },
  ...{ by: 'a:svc', at: '2026-01-01T00:00:00Z', from: { keys: 7, health: '8' }, log: [] },
}
const only = { Verb: 'check-not-exists', Key: 'nothing' } as const
const put = { only, giveUpMs: 1000 }

type Fake = Awaited<ReturnType<typeof fakeConsul>>
const found = async ({ consul }: Fake, last?: () => string | null) => {
  const [entry] = await entriesAt(consul, [keys.plan])
  return findPlan(consul, keys, entry, last)
}
const indexOf = async (fake: Fake) => (await found(fake)).index

describe('a plan in Consul', () => {
  it('is what was written, however many parts it takes, of which none is too large for Consul', async t => {
    const fake = await fakeConsul(t)
    const ids = Array.from({ length: 9000 }, (_, at) => `a partition with quite a long name, number ${at} “${at}”`)
    const assignment = new Map(ids.slice(0, 8000).map((id, at) => [id, `node${at % 50}:svc`]))
    const nobody = new Map(ids.slice(8000).map(id => [id, 'no licence']))
    const revision = await putPlanInForce(
      fake.consul,
      keys,
      { revision: 0, index: 0 },
      { ...plain, assignment, nobody },
      put,
    )
    const parts = fake.memory.below(keys.plans)
    assert.ok(parts.length > 3)
    for (const { Value } of parts) assert.ok((Value?.length ?? 0) < 380_000)
    const { plan } = await found(fake)
    assert.equal(revision, 1)
    assert.deepEqual(new Map([...(plan?.assignment ?? [])].sort()), new Map([...assignment].sort()))
    assert.deepEqual(new Map([...(plan?.nobody ?? [])].sort()), new Map([...nobody].sort()))
    assert.deepEqual(plan?.from, { keys: 7, health: '8' })
  })

  it('is read again only when the pointer has changed', async t => {
    const fake = await fakeConsul(t)
    await putPlanInForce(
      fake.consul,
      keys,
      { revision: 0, index: 0 },
      { ...plain, assignment: new Map([['0', 'a:svc']]) },
      put,
    )
    const { text, plan } = await found(fake)
    assert.notEqual(text, null)
    fake.requests.length = 0
    const again = await found(fake, () => text)
    assert.equal(again.text, null)
    assert.deepEqual(again.plan, plan)
    assert.equal(fake.requests.length, 1, 'the pointer alone')
    await putPlanInForce(fake.consul, keys, { revision: 1, index: await indexOf(fake) }, plain, put)
    assert.equal((await found(fake, () => text)).plan?.assignment.size, 0)
  })

  it('that is replaced while it is read is read again, not taken for one whose parts are gone', async t => {
    const fake = await fakeConsul(t)
    await putPlanInForce(fake.consul, keys, { revision: 0, index: 0 }, plain, put)
    const [entry] = await entriesAt(fake.consul, [keys.plan])
    for (const { Key } of fake.memory.below(keys.plans)) fake.memory.remove(Key)
    assert.equal((await findPlan(fake.consul, keys, entry)).problem, 'its parts are missing')
    fake.memory.put(keys.plan, '{"revision":2,"parts":1,"digest":""}')
    await assert.rejects(findPlan(fake.consul, keys, entry), /it was replaced meanwhile; it is tried again$/)
  })

  it('that another program wrote meanwhile is not overwritten', async t => {
    const fake = await fakeConsul(t)
    await putPlanInForce(fake.consul, keys, { revision: 0, index: 0 }, plain, put)
    await assert.rejects(
      putPlanInForce(fake.consul, keys, { revision: 0, index: 0 }, plain, put),
      /wrote one; it goes on$/,
    )
  })

  it('is kept for people when two newer ones are there, and no longer', async t => {
    const fake = await fakeConsul(t)
    for (let revision = 0; revision < 4; revision++)
      await putPlanInForce(fake.consul, keys, { revision, index: await indexOf(fake) }, plain, put)
    assert.equal((await keptPlan(fake.consul, keys, 2))?.revision, 2)
    assert.equal(await keptPlan(fake.consul, keys, 1), null)
  })

  it('has the same content whatever the order of its entries, and whoever made it', () => {
    const one = new Map([
      ['0', 'a:svc'],
      ['1', 'b:svc'],
    ])
    const other = new Map([...one].reverse())
    assert.equal(contentOf({ ...plain, assignment: one }), contentOf({ ...plain, assignment: other }))
    assert.notEqual(
      contentOf({ ...plain, assignment: one }),
      contentOf({ ...plain, assignment: new Map([['0', 'a:svc']]) }),
    )
  })

  for (const [what, value] of [
    ['no JSON', '{'],
    ['no revision', '{"parts":1,"digest":""}'],
    ['a million parts', '{"revision":1,"parts":1000000,"digest":""}'],
    ['a revision that is a path', '{"revision":"../x","parts":1,"digest":""}'],
  ])
    it(`is none when its pointer is garbled: ${what}`, async t => {
      const fake = await fakeConsul(t)
      fake.memory.put(keys.plan, value as string)
      const { plan, pointer, problem } = await found(fake)
      assert.deepEqual([plan, pointer, problem], [null, null, 'it is garbled'])
    })
})
