import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Absence } from '../../lib/keys/member.ts'
import { assign, holdersOf } from '../../lib/roster/assignment.ts'
import { noMember, noRoom } from '../../lib/roster/rules/balance.ts'
import { heldByHand } from '../../lib/roster/rules/held.ts'
import { clusterOf, heldBy, locks, me, memberOne, other, third } from '../fixtures/cluster.ts'

const holder = (lock: ReturnType<typeof locks.held>) => holdersOf(clusterOf({ locks: new Map([['0', lock]]) })).get('0')

describe('who has a partition', () => {
  const cases: [string, ReturnType<typeof locks.held>, string | undefined][] = [
    ['whose session holds the lock', locks.held(other), other],
    ['whose session holds the lock, whatever the value says', locks.held(other, { held: heldBy(third) }), other],
    ['whose session holds the lock, be the value garbled', locks.held(other, { held: null }), other],
    ['nobody, while the session that holds the lock is nobody’s', locks.held(third), undefined],
    ['who had it last, while it is free', locks.unclean(other), other],
    ['who had it last, even one that takes no part', locks.unclean(third), third],
    ['nobody, once it was given back', locks.clean(), undefined],
    ['nobody, when it is free and garbled', locks.garbled(), undefined],
  ]
  for (const [who, lock, expected] of cases) it(`is ${who}`, () => assert.equal(holder(lock), expected))
})

describe('the assignment', () => {
  const ids = (count: number) => new Set(Array.from({ length: count }, (_, id) => String(id)))

  it('leaves everything where it is while the loads are even', () => {
    const held = new Map([...ids(10)].map(id => [id, locks.held(Number(id) % 2 === 0 ? me : other)]))
    const { placed: assignment } = assign(clusterOf({ partitions: ids(10), locks: held }))
    for (const [id, instance] of assignment) assert.equal(instance, Number(id) % 2 === 0 ? me : other)
  })

  it('gives an instance that lost only its session its own back', () => {
    const lost = new Map([...ids(10)].map(id => [id, locks.unclean(Number(id) < 5 ? me : other)]))
    const { placed: assignment } = assign(clusterOf({ partitions: ids(10), locks: lost }))
    for (const [id, instance] of assignment) assert.equal(instance, Number(id) < 5 ? me : other)
  })

  for (const absence of ['drained', 'in maintenance', 'not passing', 'not registered'] as Absence[]) {
    it(`gives nothing to one that is ${absence}, even what it holds`, () => {
      const members = [memberOne(me, { absence }), memberOne(other)]
      const held = new Map([...ids(4)].map(id => [id, locks.held(me)]))
      const { placed: assignment } = assign(clusterOf({ members, partitions: ids(4), locks: held }))
      assert.deepEqual(new Set(assignment.values()), new Set([other]))
      assert.equal(assignment.size, 4)
    })
  }

  it('is empty without members, and without partitions', () => {
    assert.equal(assign(clusterOf({ members: [] })).placed.size, 0)
    assert.equal(assign(clusterOf({ partitions: new Set() })).placed.size, 0)
  })

  it('is of the partitions in the set alone', () => {
    const { placed: assignment } = assign(
      clusterOf({ partitions: new Set(['0']), locks: new Map([['removed', locks.held(me)]]) }),
    )
    assert.deepEqual([...assignment.keys()], ['0'])
  })

  describe('with a held partition', () => {
    const settings = { drained: [], held: ['0'], epoch: 0 }
    const halves = (count: number) =>
      new Map([...ids(count)].map(id => [id, locks.held(Number(id) < count / 2 ? me : other)]))

    it('has nobody for it, and leaves everything else where it is, before and after it is stopped', () => {
      for (const lock of [locks.held(me), locks.unclean(me), locks.clean()]) {
        const { placed: assignment } = assign(
          clusterOf({ partitions: ids(4), locks: halves(4).set('0', lock), settings }),
        )
        assert.deepEqual(Object.fromEntries(assignment), { 1: me, 2: other, 3: other })
      }
    })

    it('leaves the rest where it is even if a member runs nothing any more', () => {
      const two = { drained: [], held: ['0', '1'], epoch: 0 }
      const { placed: assignment } = assign(clusterOf({ partitions: ids(4), locks: halves(4), settings: two }))
      assert.deepEqual(Object.fromEntries(assignment), { 2: other, 3: other })
    })

    it('gives its place to one that fits nowhere else', () => {
      const members = [memberOne(me, { maxPartitions: 1 })]
      const both = new Map([
        ['0', locks.held(me)],
        ['1', locks.clean()],
      ])
      assert.deepEqual([...assign(clusterOf({ members, locks: both, settings })).placed], [['1', me]])
    })

    it('does not mind one that is not in the set', () => {
      const gone = { drained: [], held: ['gone'], epoch: 0 }
      const { placed: assignment } = assign(clusterOf({ partitions: ids(4), locks: halves(4), settings: gone }))
      assert.equal(assignment.size, 4)
    })
  })

  it('is the same for everyone, in whatever order they see the cluster', () => {
    const members = [memberOne(me), memberOne(other), memberOne(third)]
    const held = [...ids(30)].map(id => [id, Number(id) < 12 ? locks.held(me) : locks.clean()] as const)
    const { placed: one } = assign(clusterOf({ members, partitions: ids(30), locks: new Map(held) }))
    const { placed: two } = assign(
      clusterOf({
        members: members.toReversed(),
        partitions: new Set([...ids(30)].reverse()),
        locks: new Map(held.toReversed()),
      }),
    )
    assert.deepEqual(new Map([...two].sort()), new Map([...one].sort()))
  })

  describe('says why nobody is to have a partition', () => {
    const why = (over: Parameters<typeof clusterOf>[0]) =>
      Object.fromEntries(assign(clusterOf({ partitions: ids(3), ...over })).unplaced)
    const held = { drained: [], held: ['0'], epoch: 0 }
    const one = [memberOne(me, { maxPartitions: 1 })]

    it('with no member, none in full, and no room', () => {
      assert.deepEqual(why({ members: [] }), { 0: noMember, 1: noMember, 2: noMember })
      assert.deepEqual(why({ members: [memberOne(me, { absence: 'drained' })] }), {
        0: noMember,
        1: noMember,
        2: noMember,
      })
      const locked = new Map([['0', locks.held(me)]])
      assert.deepEqual(why({ members: one, locks: locked }), { 1: noRoom, 2: noRoom })
    })

    it('of one that is held by hand, whether or not another has its place', () => {
      assert.deepEqual(why({ settings: held }), { 0: heldByHand })
      const unplaced = why({ members: one, settings: held })
      assert.deepEqual(Object.values(unplaced).sort(), [noRoom, heldByHand].sort())
      assert.equal(unplaced['0'], heldByHand)
    })

    it('and only of those: with the placed ones it is the whole set', () => {
      for (const members of [[], one, [memberOne(me), memberOne(other)]]) {
        const { placed, unplaced } = assign(clusterOf({ members, partitions: ids(3), settings: held }))
        assert.deepEqual([...placed.keys(), ...unplaced.keys()].sort(), [...ids(3)])
      }
    })
  })
})
