import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { registeredFrom } from '../../lib/consul/health.ts'
import { registeredInstances } from '../../lib/consul/instances.ts'
import { fakeConsul } from '../fixtures/consul.ts'

interface Entry {
  Node: { Node: string }
  Service: { ID: string }
  Checks: { CheckID: string; Status: string }[]
}

const sample = (): Entry[] => JSON.parse(readFileSync(`${import.meta.dirname}/../fixtures/watch/service.json`, 'utf8'))

/** The sample's instance with these checks in the place of its own. */
function withChecks(checks: Record<string, string>) {
  const [entry] = sample() as [Entry]
  return registeredFrom([
    { ...entry, Checks: Object.entries(checks).map(([CheckID, Status]) => ({ CheckID, Status })) },
  ])[0]
}

describe('an instance', () => {
  it('is named by its node and its service id', () => {
    const [found] = registeredFrom(sample())
    assert.deepEqual([found?.instance, found?.node], ['c2:svcA-1', 'c2'])
  })

  const alive = { serfHealth: 'passing', 'svcA-1-guard': 'passing' }
  const cases: [string, Record<string, string>, { nodeAlive: boolean; passing: boolean; maintenance: boolean }][] = [
    ['passes with serfHealth and its guard', alive, { nodeAlive: true, passing: true, maintenance: false }],
    [
      'passes whatever its other checks say',
      { ...alive, 'svcA-1-up': 'critical' },
      { nodeAlive: true, passing: true, maintenance: false },
    ],
    [
      'does not pass while its guard is critical',
      { ...alive, 'svcA-1-guard': 'critical' },
      { nodeAlive: true, passing: false, maintenance: false },
    ],
    [
      'does not pass while its guard warns',
      { ...alive, 'svcA-1-guard': 'warning' },
      { nodeAlive: true, passing: false, maintenance: false },
    ],
    [
      'does not pass on a dead node, whose guard passed last',
      { ...alive, serfHealth: 'critical' },
      { nodeAlive: false, passing: false, maintenance: false },
    ],
    [
      'does not pass without a guard',
      { serfHealth: 'passing' },
      { nodeAlive: true, passing: false, maintenance: false },
    ],
    [
      "does not pass by another's guard",
      { serfHealth: 'passing', 'svcA-10-guard': 'passing' },
      { nodeAlive: true, passing: false, maintenance: false },
    ],
    [
      'does not pass without serfHealth',
      { 'svcA-1-guard': 'passing' },
      { nodeAlive: false, passing: false, maintenance: false },
    ],
    ['does not pass without any check', {}, { nodeAlive: false, passing: false, maintenance: false }],
    [
      'is in maintenance with its node',
      { ...alive, _node_maintenance: 'critical' },
      { nodeAlive: true, passing: true, maintenance: true },
    ],
    [
      'is in maintenance itself',
      { ...alive, '_service_maintenance:svcA-1': 'critical' },
      { nodeAlive: true, passing: true, maintenance: true },
    ],
    [
      'is not in maintenance with another of its node',
      { ...alive, '_service_maintenance:svcA-10': 'critical' },
      { nodeAlive: true, passing: true, maintenance: false },
    ],
  ]
  for (const [what, checks, expected] of cases) {
    it(what, () => {
      const { nodeAlive, passing, maintenance } = withChecks(checks) ?? {}
      assert.deepEqual({ nodeAlive, passing, maintenance }, expected)
    })
  }
})

describe('a list of instances', () => {
  it('holds no partition of a service whose own catalog name it has, and none whose name differs in capitals', () => {
    const of = (ID: string, Service: string, Meta: object | null = {}) => {
      return { ...(sample()[0] as Entry), Service: { ID, Service, Meta } }
    }
    const partition = of('cons:7', 'cons-partition', { watchbill: 'a:cons', partition: '7' })
    const all = [partition, of('one', 'cons-partition', null), of('two', 'Cons-Partition')]
    const ids = (...args: Parameters<typeof registeredFrom>) => registeredFrom(...args).map(({ instance }) => instance)
    assert.deepEqual(ids(all, 'cons-partition'), ['c2:one'])
    assert.deepEqual(ids(all), ['c2:one', 'c2:two'])
  })

  it('may be empty', () => assert.deepEqual(registeredFrom([]), []))

  const [entry] = sample() as [Entry]
  const garbage: [string, unknown][] = [
    ['null', null],
    ['nothing', undefined],
    ['an object', {}],
    ['a text', 'passing'],
    ['a list with null', [entry, null]],
    ['a list with a number', [5]],
    ['an entry without its node', [{ ...entry, Node: {} }]],
    ['an entry with a null node', [{ ...entry, Node: null }]],
    ['an entry without its service', [{ Node: entry.Node, Checks: [] }]],
    ['an entry without its id', [{ ...entry, Service: {} }]],
    ['an entry without its checks', [{ ...entry, Checks: undefined }]],
    ['an entry with null for its checks', [{ ...entry, Checks: null }]],
  ]
  for (const [what, value] of garbage) {
    it(`is not ${what}`, () =>
      assert.throws(() => registeredFrom(value), {
        name: 'Temporary',
        message: /^the list of instances is not a list$|^an instance lacks its node, its id or its checks$/,
      }))
  }

  it('is asked for by a consistent read', async t => {
    const fake = await fakeConsul(t)
    const [entry] = sample() as [Entry]
    fake.script = () => ({ text: [{ ...entry, Service: { ...entry.Service, Service: 'a b' } }] })
    assert.equal((await registeredInstances(fake.consul, 'a b')).length, 1)
    assert.equal(fake.requests[0]?.path, '/v1/health/service/a%20b?consistent')
  })

  for (const reply of [
    { status: 500, text: '' },
    { text: '<html>' },
    { text: 'null' },
    { text: '' },
    { status: 404, text: '[]' },
  ]) {
    it(`is not known after ${JSON.stringify(reply)}`, async t => {
      const fake = await fakeConsul(t)
      fake.script = () => reply
      await assert.rejects(registeredInstances(fake.consul, 'svc'), { name: 'Temporary' })
    })
  }
})
