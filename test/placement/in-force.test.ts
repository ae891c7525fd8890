import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noRules, type Rules } from '../../lib/definition/rules.ts'
import {
  changePlacement,
  hasRules,
  mayPropose,
  noPlacement,
  type PlacementInForce,
  placementFrom,
  placementValue,
  replacedBy,
} from '../../lib/keys/placement.ts'
import { markOf } from '../../lib/keys/traits.ts'
import { plan } from '../../lib/plan/plan.ts'
import { assign, rulesFor, rulesUnknown } from '../../lib/roster/assignment.ts'
import { place } from '../../lib/roster/place.ts'
import { versions } from '../../lib/roster/versions.ts'
import { clusterOf, definition, locks, me, memberOne, other, snapshotOf, third } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'

const rules: Rules = { ...noRules, only: [{ attribute: 'node', in: ['a'] }] }
const placement: PlacementInForce = { ...noPlacement, rules, digest: 'new', replaced: ['old'] }
const proposed = (digest: string) => ({ ...definition, placement: { digest, rules } })
const steps = (over: Parameters<typeof snapshotOf>[0]) =>
  plan(snapshotOf(over), new Map()).steps.filter(({ do: what }) =>
    ['propose', 'drainOlder', 'undrainOlder', 'readTraits'].includes(what),
  )

describe('the rules in force', () => {
  it('are none while there is no key', () => {
    assert.deepEqual(
      placementFrom(null, () => null),
      { placement: null, problem: null },
    )
    assert.equal(hasRules(null), false)
    assert.equal(hasRules(noPlacement), false)
    assert.equal(hasRules({ ...noPlacement, pins: new Map([['0', me]]) }), true)
  })

  it('are what was written', () => {
    assert.deepEqual(
      placementFrom(placementValue(placement), () => null),
      { placement, problem: null },
    )
  })

  const garbled: [text: string, problem: RegExp][] = [
    ['', /not JSON/],
    ['[]', /not a JSON object/],
    ['{"rules":7}', /has to be an object/],
    ['{"rules":{"cost":[{"is":-1}]}}', /"cost\[0\]" is not right/],
    ['{"rules":{"only":null}}', /"only" has to be a list/],
    [`{"rules":{"spread":[{"over":"node","x":${'['.repeat(30_000)}${']'.repeat(30_000)}}]}}`, /nested too deeply/],
    ['{"needs":99}', /needs a release that knows version 99/],
    ['{"needs":-1}', /"needs" has to be/],
    ['{"pins":{"0":7}}', /"pins" has to be/],
    ['{"replaced":7}', /"replaced" has to be/],
    [JSON.stringify({ by: 'x'.repeat(400_000) }), /more than/],
  ]
  for (const [text, problem] of garbled) {
    it(`stay the last good ones when the key is ${text.slice(0, 40)}`, () => {
      const found = placementFrom(text, () => placementValue(placement))
      assert.deepEqual(found.placement, placement)
      assert.match(found.problem ?? '', problem)
      assert.equal((found.problem ?? '').includes('\n'), false)
    })
  }

  it('are unknown to who never saw good ones: then everything stays where it is, and nobody takes more', async () => {
    const { placement: unknown } = placementFrom('{', () => null)
    const held = new Map([['0', locks.held(other)]])
    const cluster = clusterOf({ placement: unknown, locks: held })
    const found = assign(cluster, versions, await rulesFor(cluster))
    assert.deepEqual([...found.placed], [['0', other]])
    assert.deepEqual([...found.unplaced], [['1', rulesUnknown]])
  })
})

describe('while the key is garbled', () => {
  const only = (...nodes: string[]): Rules => ({ ...noRules, only: [{ attribute: 'node', in: nodes }] })
  const members = [memberOne(me), memberOne(other), memberOne(third)]
  const seenBy = (lastGood: Rules, over: Parameters<typeof clusterOf>[0]) => {
    const inForce = { ...noPlacement, rules: lastGood }
    return assign(clusterOf({ members, placement: inForce, placementProblem: 'it is not JSON', ...over }), versions, {
      place,
      follow: null,
    })
  }
  const partitions = new Set(['0', '1', '2'])

  it('nothing moves that may stay: who is to get it may know other rules, and would not take it', () => {
    const held = new Map([...partitions].map(id => [id, locks.held(me)]))
    for (const lastGood of [only('a', 'b', 'c'), only('a', 'b'), noRules]) {
      const { placed } = seenBy(lastGood, { partitions, locks: held })
      assert.deepEqual(new Set(placed.values()), new Set([me]))
    }
  })

  it('what was given back for somebody is for that one, whatever rules the others know', () => {
    const locked = new Map([
      ['0', locks.clean({ next: third })],
      ['1', locks.held(me)],
      ['2', locks.held(me)],
    ])
    for (const lastGood of [only('a', 'c'), only('b', 'c')])
      assert.equal(seenBy(lastGood, { partitions, locks: locked }).placed.get('0'), third)
  })

  it('the last good rules place what was lost, and what may not stay', () => {
    const locked = new Map([
      ['0', locks.held(me)],
      ['1', locks.held(other)],
    ])
    const { placed } = seenBy(only('b'), { partitions, locks: locked })
    assert.deepEqual(Object.fromEntries(placed), { 0: other, 1: other, 2: other })
    const full = [memberOne(me, { maxPartitions: 1 }), memberOne(other)]
    const two = new Map([
      ['0', locks.held(me)],
      ['1', locks.held(me)],
    ])
    const found = seenBy(only('a', 'b'), { members: full, partitions: new Set(['0', '1']), locks: two })
    assert.deepEqual([new Set(found.placed.values()), found.unplaced.size], [new Set([me, other]), 0])
  })
})

describe('a definition', () => {
  it('puts its rules in force once, and never those that were replaced', () => {
    assert.deepEqual(
      [null, placement].map(now => mayPropose(now, 'other')),
      [true, true],
    )
    assert.equal(mayPropose(placement, 'new'), false)
    assert.equal(mayPropose(placement, 'old'), false)
    assert.deepEqual(steps({ definition: proposed('other'), placement }), [{ do: 'propose', digest: 'other' }])
    assert.deepEqual(steps({ definition: proposed('old'), placement }), [])
    assert.deepEqual(steps({ definition: proposed('new'), placement }), [])
    assert.deepEqual(steps({ definition, placement }), [])
  })

  it('puts nothing in force while the key is garbled, or while it takes no part', () => {
    assert.deepEqual(steps({ definition: proposed('other'), placement, placementProblem: 'garbled' }), [])
    assert.deepEqual(steps({ definition: proposed('other'), session: null }), [])
  })

  it('leaves pins alone, and remembers what it replaced', () => {
    const pins = new Map([['0', me]])
    const after = replacedBy({ ...placement, pins }, { digest: 'third', rules, by: me, since: 'now' })
    assert.deepEqual([after.pins, after.replaced], [pins, ['old', 'new']])
    assert.deepEqual(replacedBy(after, { digest: 'old', rules, by: 'apply', since: 'now' }).replaced, ['new', 'third'])
  })

  it('loses to another that was written in between', async t => {
    const { consul, memory } = await fakeConsul(t)
    const { keys } = snapshotOf()
    memory.put(keys.placement, placementValue(placement))
    const change = (digest: string) =>
      changePlacement(consul, keys, before =>
        mayPropose(before, digest) ? replacedBy(before, { digest, rules, by: me, since: '' }) : null,
      )
    assert.equal((await change('old')).changed, false)
    assert.equal((await change('newer')).changed, true)
    assert.deepEqual((memory.value(keys.placement) as { replaced: string[] }).replaced, ['old', 'new'])
    memory.put(keys.placement, 'garbled')
    await assert.rejects(change('newest'), { name: 'Permanent' })
  })
})

describe('a member of an older release', () => {
  const members = [memberOne(me), memberOne(other, { roster: 2 }), memberOne(third)]

  it('gets nothing where rules are in force, whatever version the others agree on', () => {
    const found = assign(
      clusterOf({ members, placement: { ...placement, rules: { ...rules, only: [] }, pins: new Map([['x', me]]) } }),
      versions,
      { place, follow: null },
    )
    assert.deepEqual(new Set(found.placed.values()), new Set([me, third]))
  })

  it('is drained by the first that sees it, once', () => {
    assert.deepEqual(steps({ members, placement }), [{ do: 'drainOlder', instances: [other] }])
    assert.deepEqual(steps({ members, placement, settings: { drained: [other], held: [], epoch: 0 } }), [])
    assert.deepEqual(steps({ members }), [])
    assert.deepEqual(steps({ members: members.map(one => ({ ...one, absence: 'leaving' as const })), placement }), [])
  })
})

describe('a drain for an older release', () => {
  const settings = { drained: [other, third], older: [other], held: [], epoch: 0 }
  const ended = [{ do: 'undrainOlder', instances: [other] }]
  const members = (roster: number) => [memberOne(me), memberOne(other, { roster, absence: 'drained' as const })]

  it('ends once the release knows the rules, or there are none', () => {
    assert.deepEqual(steps({ members: members(3), placement, settings }), ended)
    assert.deepEqual(steps({ members: members(2), settings }), ended)
    assert.deepEqual(steps({ members: [memberOne(me)], settings }), ended)
  })

  it('lasts while it does not, is not there, or nobody can read the rules', () => {
    assert.deepEqual(steps({ members: members(2), placement, settings }), [])
    assert.deepEqual(steps({ members: [memberOne(me)], placement, settings }), [])
    assert.deepEqual(steps({ members: members(3), placementProblem: 'garbled', settings }), [])
  })
})

describe('what rules need of documents', () => {
  const needing = { ...placement, rules: { ...noRules, cost: [{ field: '/cost' }] } }

  it('is read by the first member by name, when the set or a document has changed', () => {
    const mark = markOf({ revision: 900, documentsIndex: null }, ['/cost'])
    assert.deepEqual(steps({ placement: needing }), [{ do: 'readTraits' }])
    assert.deepEqual(steps({ placement: needing, traitsMark: mark }), [])
    assert.deepEqual(steps({ placement: needing, traitsMark: mark, documentsIndex: 7 }), [{ do: 'readTraits' }])
    assert.deepEqual(steps({ placement: needing, instance: other, members: [memberOne(me), memberOne(other)] }), [])
    assert.deepEqual(steps({ placement, documentsIndex: 7 }), [])
  })
})
