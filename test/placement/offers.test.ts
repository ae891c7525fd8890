import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { registeredFrom } from '../../lib/consul/health.ts'
import { memberIn, memberValue } from '../../lib/keys/member.ts'
import { mostOffered, offersIn, offersOf, sameOffers } from '../../lib/keys/offers.ts'
import { plan } from '../../lib/plan/plan.ts'
import { definition, me, memberOne, other, registeredOne, snapshotOf } from '../fixtures/cluster.ts'

const enters = (over: Parameters<typeof snapshotOf>[0]) =>
  plan(snapshotOf(over), new Map()).steps.some(step => step.do === 'enter')

describe('what an instance offers', () => {
  const rows: [what: string, own: object, node: object, offered: object][] = [
    ['is nothing where nobody says anything', {}, {}, { meta: {}, datacenter: '', tags: [] }],
    [
      'is the meta of its definition over that of its node',
      { meta: { zone: 'a' } },
      { meta: { zone: 'b', rack: '1' } },
      {
        meta: { rack: '1', zone: 'a' },
        datacenter: '',
        tags: [],
      },
    ],
    ['is its data center and its tags, too', {}, { datacenter: 'dc1' }, { meta: {}, datacenter: 'dc1', tags: [] }],
  ]
  for (const [what, own, node, offered] of rows) {
    it(what, () => assert.deepEqual(offersOf({ ...definition, ...own }, node), offered))
  }

  it('takes at most 4 KiB: of its node, what fits, by name', () => {
    const meta = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`k${100 + at}`, 'x'.repeat(500)]))
    const offers = offersOf({ ...definition, meta: { z: 'own' } }, { meta })
    assert.ok(Buffer.byteLength(JSON.stringify(offers.meta)) <= mostOffered)
    assert.deepEqual(Object.keys(offers.meta), ['k100', 'k101', 'k102', 'k103', 'k104', 'k105', 'k106', 'z'])
  })

  it('is read from the member key as it was written', () => {
    const offers = { meta: { cores: '16', zone: 'a' }, datacenter: 'dc1', tags: ['ssd'] }
    const member = memberIn(memberValue('a', { ...definition, maxCost: 2.5 }, 'digest', { offers }))
    assert.deepEqual([member.offers, member.maxCost], [offers, 2.5])
    assert.equal(memberIn(memberValue('a', definition, 'digest', { offers: offersOf(definition) })).offers, undefined)
  })

  it('is nothing where it is garbled or too large, and harms nobody', () => {
    const large = { a: 'x'.repeat(mostOffered) }
    for (const meta of [null, 7, 'zone', ['a'], { a: 1 }, { a: null }, { a: { b: 'c' } }, large]) {
      assert.equal(offersIn({ meta }), undefined, JSON.stringify(meta).slice(0, 40))
    }
    assert.equal(offersIn({ tags: ['a', 7], datacenter: {} }), undefined)
    assert.deepEqual(offersIn(JSON.parse('{"meta":{"__proto__":"x"}}'))?.meta, JSON.parse('{"__proto__":"x"}'))
    for (const maxCost of [-1, 0, 'x', null]) assert.equal(memberIn(JSON.stringify({ maxCost })).maxCost, undefined)
  })

  it('is the same whatever the order of its fields', () => {
    const one = offersIn({ meta: { a: '1', b: '2' }, tags: ['x'] })
    assert.ok(sameOffers(one, offersIn({ tags: ['x'], meta: { b: '2', a: '1' } })))
    assert.ok(!sameOffers(one, offersIn({ meta: { a: '1', b: '3' }, tags: ['x'] })))
    assert.ok(sameOffers(undefined, offersIn({})))
  })
})

describe('the node of an instance', () => {
  const entry = (node: object) => [{ Node: { Node: 'a', ...node }, Service: { ID: 'svc' }, Checks: [] }]
  const offersFor = (node: object) => registeredFrom(entry(node))[0]?.offers

  it('offers its data center and its meta, without what Consul adds', () => {
    const Meta = { zone: 'b', 'consul-network-segment': '' }
    assert.deepEqual(offersFor({ Datacenter: 'dc1', Meta }), { meta: { zone: 'b' }, datacenter: 'dc1' })
  })

  it('offers nothing where Consul says nothing, or something odd', () => {
    assert.equal(offersFor({}), undefined)
    assert.equal(offersFor({ Datacenter: 7, Meta: { a: 1 } }), undefined)
    assert.equal(offersFor({ Meta: null }), undefined)
  })
})

describe('an instance writes its member key again', () => {
  const meta = { zone: 'a' }
  const offers = { meta, datacenter: '', tags: [] }
  const members = [memberOne(me, { offers }), memberOne(other)]
  const registered = [registeredOne(me, { offers: { meta } }), registeredOne(other)]

  it('when what its node says has changed, and not before', () => {
    assert.equal(enters({ members, registered }), false)
    assert.equal(enters({ members, registered: [registeredOne(me, { offers: { meta: { zone: 'b' } } })] }), true)
    assert.equal(enters({ members, registered: [registeredOne(me)] }), true)
    assert.equal(enters({ registered }), true)
  })

  it('and never because the catalog does not show it yet', () => {
    assert.equal(enters({ members, registered: [registeredOne(other)] }), false)
  })
})
