/** What templates are given: which partition has an address, as a table of cases. */
import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { noPlan } from '../../lib/keys/own-plan.ts'
import type { Cluster } from '../../lib/look/cluster.ts'
import { inForce } from '../../lib/render/in-force.ts'
import { inputOf, type View } from '../../lib/render/input.ts'
import { assign } from '../../lib/roster/assignment.ts'
import { clusterOf, definition, locks, me, memberOne, other, third } from '../fixtures/cluster.ts'

interface Case {
  readonly what: string
  readonly cluster: Partial<Cluster>
  /** Who should have 0; as the roster says when left out. */
  readonly placed?: string | null
  readonly holder: string | null
}

const held = (instance: string) => new Map([['0', locks.held(instance)]])
const settings = { drained: [], held: [], epoch: 0 }

const cases: readonly Case[] = [
  { what: 'its lock is held by who is to have it', cluster: { locks: held(me) }, placed: me, holder: me },
  { what: 'it is being handed over', cluster: { locks: held(me) }, placed: other, holder: null },
  { what: 'it is free and clean', cluster: { locks: new Map([['0', locks.clean()]]) }, placed: me, holder: null },
  { what: 'its holder was lost', cluster: { locks: new Map([['0', locks.unclean(me)]]) }, placed: me, holder: null },
  {
    what: 'its lock is held by a session that is no member’s',
    cluster: { locks: new Map([['0', locks.held(me, { session: 'foreign' })]]) },
    placed: me,
    holder: null,
  },
  {
    what: 'the value of its lock names another than the session does: the session counts',
    cluster: { locks: new Map([['0', { ...locks.held(me), held: locks.held(other).held }]]) },
    placed: me,
    holder: me,
  },
  {
    what: 'the value of its lock is garbled: the session counts',
    cluster: { locks: new Map([['0', { ...locks.held(me), held: null }]]) },
    placed: me,
    holder: me,
  },
  { what: 'it is not in the set any more', cluster: { locks: held(me), partitions: new Set(['1']) }, holder: null },
  {
    what: 'people hold it',
    cluster: { locks: held(me), settings: { ...settings, held: ['0'] } },
    placed: null,
    holder: null,
  },
  {
    what: 'its holder is drained, and nobody else can have it',
    cluster: { locks: held(me), members: [memberOne(me, { absence: 'drained' })] },
    placed: null,
    holder: null,
  },
  {
    what: 'its holder leaves',
    cluster: { locks: held(me), members: [memberOne(me, { absence: 'leaving' }), memberOne(other)] },
    placed: other,
    holder: null,
  },
  {
    what: 'nobody is to have it, and its holder need not give it up',
    cluster: { locks: held(me) },
    placed: null,
    holder: me,
  },
]

describe('a partition can be reached at', () => {
  for (const { what, cluster, placed, holder } of cases) {
    it(`${holder ?? 'nobody'}: ${what}`, () => {
      const seen = clusterOf(cluster)
      const roster = placed === undefined ? assign(seen).placed : new Map(placed === null ? [] : [['0', placed]])
      assert.equal(inForce(seen, roster).get('0') ?? null, holder)
    })
  }

  it('who still runs it, for files that change after the stop, and never at two', () => {
    const kept = { instance: me, partitions: new Set(['0']) }
    const handedOver = clusterOf({ locks: held(me) })
    assert.deepEqual([...inForce(handedOver, new Map([['0', other]]), kept)], [['0', me]])
    const free = clusterOf({ locks: new Map([['0', locks.clean()]]) })
    assert.deepEqual([...inForce(free, new Map([['0', other]]), kept)], [['0', me]])
    const taken = clusterOf({ locks: held(other) })
    assert.deepEqual([...inForce(taken, new Map([['0', other]]), kept)], [['0', other]])
  })
})

function viewOf(over: Partial<View> = {}): View {
  const cluster = clusterOf({
    members: [memberOne(me), memberOne(other, { offers: { meta: { zone: 'b' }, datacenter: 'dc1', tags: ['x'] } })],
    partitions: new Set(['10', '9', 'a']),
    locks: new Map([
      ['10', locks.held(me)],
      ['9', locks.held(other)],
      ['a', locks.clean()],
    ]),
    lost: new Map([[third, 7]]),
  })
  return {
    ...{ instance: me, node: 'a', definition, cluster, here: new Set() },
    placed: new Map([
      ['10', me],
      ['9', other],
      ['a', me],
    ]),
    reports: new Map([[other, { 9: 'starting: waits for check alive' }]]),
    documents: new Map([['9', { weight: 3 }]]),
    places: new Map([
      [me, { address: '10.0.0.1', port: null }],
      [other, { address: '10.0.0.2', port: 8080 }],
    ]),
    ...over,
  }
}

test('the input of templates is in the order of people, and says who holds what', () => {
  const { partitions, instances } = inputOf(viewOf(), false)
  assert.deepEqual(partitions, [
    {
      id: '9',
      holder: other,
      node: 'b',
      address: '10.0.0.2',
      port: 8080,
      here: false,
      ready: false,
      document: { weight: 3 },
      version: null,
    },
    {
      id: '10',
      holder: me,
      node: 'a',
      address: '10.0.0.1',
      port: null,
      here: true,
      ready: true,
      document: null,
      version: null,
    },
    {
      id: 'a',
      holder: null,
      node: null,
      address: null,
      port: null,
      here: false,
      ready: false,
      document: null,
      version: null,
    },
  ])
  assert.deepEqual(
    instances.map(({ name, state, partitions, meta }) => ({ name, state, partitions, meta })),
    [
      { name: me, state: 'member', partitions: ['10'], meta: {} },
      { name: other, state: 'member', partitions: ['9'], meta: { zone: 'b' } },
      { name: third, state: 'lost', partitions: [], meta: {} },
    ],
  )
})

test('the port is that of the definition, where it registers its partitions', () => {
  const { partitions } = inputOf(viewOf({ definition: { ...definition, register: { port: 9000 } } }), false)
  assert.deepEqual(
    partitions.map(({ port }) => port),
    [9000, 9000, null],
  )
})

test('what the instance says of itself goes before the variables of the definition', () => {
  const own = { ...definition, templateVariables: { zone: 'none', n: 1 }, meta: { zone: 'a' } }
  assert.deepEqual(inputOf(viewOf({ definition: own }), false).variables, { zone: 'a', n: 1 })
})

test('what a scheduler says of the service goes before the definition, and what it says of the instance before all', () => {
  const own = { ...definition, templateVariables: { zone: 'none', n: 1, m: 1 }, meta: { zone: 'a' } }
  const variables = { service: { zone: 'all', n: 2 }, instance: { [me]: { m: 3 }, [third]: { m: 4 } } }
  const plan = { revision: 1, by: me, at: '', from: { keys: 1, health: '' }, log: [], version: null, variables }
  const ownPlan = { ...noPlan, plan: { ...plan, assignment: new Map(), nobody: new Map() } }
  const view = viewOf({ definition: own })
  assert.deepEqual(inputOf({ ...view, cluster: { ...view.cluster, ownPlan } }, false).variables, {
    zone: 'a',
    n: 2,
    m: 3,
  })
})
