import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Entry } from '../../lib/consul/kv.ts'
import { noRules, type Rules } from '../../lib/definition/rules.ts'
import { freezeFrom } from '../../lib/keys/freeze.ts'
import { noPlacement } from '../../lib/keys/placement.ts'
import { inTurn } from '../../lib/operate/plan/in-turn.ts'
import { outlook } from '../../lib/operate/plan/moves.ts'
import { outlookLines } from '../../lib/operate/plan/page.ts'
import { type Changes, changed, parseMember, parseScale, withHandMade } from '../../lib/operate/plan/what-if.ts'
import { assign } from '../../lib/roster/assignment.ts'
import { place } from '../../lib/roster/place.ts'
import { versions } from '../../lib/roster/versions.ts'
import { clusterOf, locks, me, memberOne, other, third } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'

const nothing: Changes = { add: [], remove: [], drain: [], scale: null, definition: null }
const ids = ['0', '1', '2', '3']
const cluster = clusterOf({
  partitions: new Set(ids),
  locks: new Map(ids.map(id => [id, locks.held(Number(id) < 2 ? me : other)])),
})
const whatIf = (changes: Partial<Changes>, now = cluster) => {
  const after = changed(now, { ...nothing, ...changes })
  const all = { ...nothing, ...changes }
  const rules = { place, follow: null }
  return outlook(
    now,
    after,
    inTurn(now, after, all, one => assign(one, versions, rules)),
  )
}
const moves = (changes: Partial<Changes>, now = cluster) =>
  whatIf(changes, now).moves.map(({ partition, from, to, why }) => [partition, from, to, why].join(' '))

describe('what would move', () => {
  it('is nothing where nothing changes', () => {
    assert.deepEqual(whatIf({}), {
      service: 'svc',
      moves: [],
      unplaced: [],
      instances: [
        { instance: me, now: 2, after: 2 },
        { instance: other, now: 2, after: 2 },
      ],
    })
  })

  it('is what the one that is gone, or drained, has', () => {
    assert.deepEqual(moves({ remove: ['b'] }), [
      `2 ${other} ${me} ${other} is gone`,
      `3 ${other} ${me} ${other} is gone`,
    ])
    assert.deepEqual(moves({ drain: [me] }), [`0 ${me} ${other} ${me} is drained`, `1 ${me} ${other} ${me} is drained`])
  })

  it('is what one that joins gets, and no more', () => {
    const found = moves({ add: [parseMember('c')] })
    assert.equal(found.length, 1)
    assert.match(found[0] ?? '', /c:svc balance$/)
  })

  it('is all that moves in the end, however few move at a time', () => {
    const six = ['0', '1', '2', '3', '4', '5']
    const calm = { movesAtOnce: 1, back: false as const }
    const now = clusterOf({
      partitions: new Set(six),
      locks: new Map(six.map(id => [id, locks.held(Number(id) < 3 ? me : other)])),
      members: [me, other].map(instance => memberOne(instance, { calm })),
    })
    assert.equal(moves({ add: [parseMember('c')] }, now).length, 2)
    const after = changed(now, { ...nothing, add: [parseMember('c')] })
    assert.deepEqual(new Set(after.members.map(one => one.calm?.back)), new Set([false]))
  })

  it('is what starts and stops at another number', () => {
    const [first = '', ...gone] = moves({ scale: parseScale('2') })
    assert.match(first, /^[01] a:svc b:svc balance$/)
    assert.deepEqual(gone, [`2 ${other}  no longer in the set`, `3 ${other}  no longer in the set`])
    assert.match(moves({ scale: parseScale('5') }).join(), /^4 {2}[ab]:svc new$/)
  })

  describe('at a percentage', () => {
    const share = { percent: 200, of: 'weight', settleMs: 0 }
    const inForce = {
      ...({ by: 'definition', number: 4, done: true, had: 4, share, clean: true } as const),
      instance: null,
    }
    const counted = clusterOf({ ...cluster, count: { ...inForce, since: '', index: 1 } })
    const size = (changes: Partial<Changes>, now = counted) => changed(now, { ...nothing, ...changes }).partitions.size

    it('is also what the number loses or gains with the members', () => {
      assert.deepEqual([size({}), size({ remove: ['b'] }), size({ add: [parseMember('c')] })], [4, 2, 6])
    })

    it('is what happens first with the members and then with the number', () => {
      for (let held = 0; held < 60; held++) {
        const twelve = Array.from({ length: 12 }, (_, at) => String(at))
        const crew = [me, other, third, 'd:svc']
        const holder = (id: string) => crew[(Number(id) * 7 + held * Number(id)) % 4] as string
        const four = clusterOf({
          partitions: new Set(twelve),
          members: crew.map((instance, at) => memberOne(instance, { weight: [1, 2, 1, 1.5][at] ?? 1 })),
          count: { ...inForce, number: 12, share: { ...share, percent: 220 }, since: '', index: 1 },
          locks: new Map(twelve.map(id => [id, locks.held(holder(id))])),
        })
        const after = changed(four, { ...nothing, remove: [crew[held % 4] as string] })
        const first = assign({ ...after, partitions: four.partitions }).placed
        const now = new Map([...first].map(([id, instance]) => [id, locks.held(instance)]))
        const then = assign({ ...after, locks: now }).placed
        const said = whatIf({ remove: [crew[held % 4] as string] }, four).moves
        const to = (id: string) => then.get(id) ?? null
        assert.deepEqual(
          said.map(one => [one.partition, one.to, one.meanwhile]),
          twelve.flatMap(id => {
            const between = first.get(id)
            const isOther = between !== holder(id) && between !== to(id)
            return to(id) === holder(id) && !isOther ? [] : [[id, to(id), isOther ? between : undefined]]
          }),
        )
      }
    })

    it('stays as it is while the service is frozen', () => {
      const freeze = freezeFrom({ key: '', value: '{"frozen":true}', modifyIndex: 1 } as Entry)
      const frozen = clusterOf({ ...counted, freeze })
      assert.equal(size({ remove: ['b'] }, frozen), 4)
      assert.equal(size({ scale: parseScale('6') }, frozen), 6)
    })

    it('is what that of a definition means, unless people have set a number', () => {
      const definition = { partitions: [], source: null, share: { ...share, percent: 300 } }
      assert.equal(size({ definition }, cluster), 6)
      const byHand = { ...inForce, by: 'hand' as const, share: null, since: '', index: 1 }
      assert.equal(size({ definition }, clusterOf({ ...cluster, count: byHand })), 4)
    })
  })

  it('is nothing that people added by hand', async t => {
    const { consul, memory } = await fakeConsul(t)
    for (const id of ids) memory.put(cluster.keys.partition(id), `{"from":"${id === '3' ? 'hand' : 'definition'}"}`)
    for (const change of [{ scale: parseScale('2') }, { definition: { partitions: ['0', '1'], source: null } }]) {
      const after = await withHandMade(consul, cluster, changed(cluster, { ...nothing, ...change }))
      assert.deepEqual([...after.partitions].sort(), ['0', '1', '3'])
    }
  })

  it('is what rules of a definition ask for', () => {
    const rules: Rules = { ...noRules, only: [{ for: '0', attribute: 'node', in: ['b'] }] }
    const definition = { partitions: [], source: null, placement: { digest: 'new', rules } }
    const found = moves({ definition })
    assert.ok(found.includes(`0 ${me} ${other} ${me} has another node than b`), found.join('; '))
  })

  it('is all of them together', () => {
    const found = whatIf({ add: [parseMember('c'), parseMember('d')], remove: ['a'], scale: parseScale('6') })
    assert.deepEqual(
      found.instances.map(({ instance, after }) => [instance, after]),
      [
        [me, 0],
        [other, 2],
        [third, 2],
        ['d:svc', 2],
      ],
    )
  })

  it('is said with the reason for what has no place', () => {
    const pins = new Map([['0', me]])
    const rules: Rules = { ...noRules, only: [{ for: '0', attribute: 'node', in: ['b'] }] }
    const now = clusterOf({ ...cluster, placement: { ...noPlacement, rules, pins } })
    assert.deepEqual(outlookLines(whatIf({}, now)).slice(0, 3), [
      'svc: 1 partition would move; 1 has no place',
      'PARTITION  FROM   TO  WHY',
      '0          a:svc  -   1 member is not a:svc, to which it is pinned; 1 has another node than b',
    ])
  })
})

describe('the words of plan', () => {
  it('take any name of meta', () => {
    assert.deepEqual(JSON.stringify(parseMember('n:meta.__proto__=b').meta), '{"__proto__":"b"}')
  })

  it('let a node go and come back as another one', () => {
    const members = changed(cluster, { ...nothing, remove: ['b'], add: [parseMember('b:weight=3')] }).members
    assert.deepEqual(
      members.map(({ instance, weight }) => [instance, weight]),
      [
        [me, 1],
        [other, 3],
      ],
    )
  })

  it('name a member with its attributes', () => {
    assert.deepEqual(parseMember('node9:meta.zone=b,tag=ssd,weight=2,maxCost=9'), {
      ...{ node: 'node9', meta: { zone: 'b' }, tags: ['ssd'], weight: 2, maxPartitions: null, maxCost: 9 },
    })
  })

  it('name a number, or a share of weights or of meta', () => {
    assert.deepEqual(parseScale('12'), { kind: 'number', number: 12 })
    const share = { percent: 7, of: 'meta.cores', settleMs: 30_000 }
    assert.deepEqual(parseScale('7% of meta.cores'), { kind: 'share', share })
    const cores = clusterOf({
      members: [me, other].map(name =>
        memberOne(name, { offers: { meta: { cores: '48' }, datacenter: '', tags: [] } }),
      ),
    })
    assert.equal(changed(cores, { ...nothing, scale: parseScale('7% of meta.cores') }).partitions.size, 7)
    assert.equal(changed(cores, { ...nothing, scale: parseScale('150%') }).partitions.size, 3)
  })

  for (const [what, act] of [
    ['a member without a node', () => parseMember(':meta.a=1')],
    ['an attribute that there is none', () => parseMember('n:zone=b')],
    ['a weight below 0', () => parseMember('n:weight=-1')],
    ['a number that is none', () => parseScale('many')],
    ['a number beyond any', () => parseScale('1000000')],
    ['a part of a partition', () => parseMember('n:maxPartitions=2.5')],
    ['a number that is no number', () => parseMember('n:maxCost=1e308')],
    [
      'somebody who joins twice',
      () => changed(cluster, { ...nothing, add: [parseMember('n'), parseMember('n:weight=2')] }),
    ],
    ['somebody who is not there', () => changed(cluster, { ...nothing, remove: ['z'] })],
    ['somebody who is there already', () => changed(cluster, { ...nothing, add: [parseMember('a')] })],
  ] as const) {
    it(`are refused for ${what}`, () => assert.throws(act, { name: 'Permanent' }))
  }
})
