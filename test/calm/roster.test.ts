/** What the roster does with members that are away, with limits on moves, and while the service is frozen. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noRules, type Rules } from '../../lib/definition/rules.ts'
import type { Calm } from '../../lib/keys/calm.ts'
import { type Freeze, freezeFrom } from '../../lib/keys/freeze.ts'
import type { Lock } from '../../lib/keys/lock.ts'
import { noPlacement } from '../../lib/keys/placement.ts'
import type { Cluster } from '../../lib/look/cluster.ts'
import { assign } from '../../lib/roster/assignment.ts'
import { placeKept } from '../../lib/roster/calm/awaited.ts'
import { frozenLost } from '../../lib/roster/calm/frozen.ts'
import { place } from '../../lib/roster/place.ts'
import { versions } from '../../lib/roster/versions.ts'
import { clusterOf, heldBy, locks, me, memberOne, other, third } from '../fixtures/cluster.ts'
import { awayOne } from './away.ts'

const ids = (count: number) => Array.from({ length: count }, (_, at) => String(at))

/** So many partitions; `held` says which lock each of the first ones has. */
function placedIn(count: number, held: readonly Lock[], over: Partial<Cluster>) {
  const partitions = new Set(ids(count))
  return assign(
    clusterOf({ partitions, locks: new Map(held.map((lock, at) => [String(at), lock])), ...over }),
    versions,
    { place, follow: null },
  )
}

const loads = (placed: ReadonlyMap<string, string>) =>
  [me, other, third].map(name => [...placed.values()].filter(instance => instance === name).length)

const many = (count: number, lock: (instance: string) => Lock, instance: string) => ids(count).map(() => lock(instance))
const three = [memberOne(me), memberOne(other), memberOne(third)]

describe('a member that is away and waited for', () => {
  const away = (over = {}) => ({
    members: [memberOne(me), memberOne(other)],
    away: new Map([[third, awayOne(third, { waitMs: 60_000, ...over })]]),
  })
  const lost = [...many(3, locks.unclean, third), ...many(3, locks.held, me), ...many(3, locks.held, other)]

  it('keeps its share: nobody is given what it had, and the others move nothing', () => {
    assert.deepEqual(loads(placedIn(9, lost, away()).placed), [3, 3, 3])
    for (const [id, instance] of placedIn(9, lost, away()).placed)
      assert.equal(instance, [third, me, other][Math.floor(Number(id) / 3)])
  })

  it('gets nothing beside what it had: neither new partitions nor clean locks that were for it', () => {
    const fresh = placedIn(12, lost, away()).placed
    assert.equal(loads(fresh)[2], 3)
    const forIt = [...lost, locks.clean({ next: third })]
    const { placed, unplaced } = placedIn(10, forIt, away())
    assert.notEqual(placed.get('9'), third)
    assert.notEqual(placed.get('9'), undefined)
    assert.equal([...unplaced.values()].includes(placeKept), false)
  })

  it('keeps no share without such a wait: its partitions are for the others', () => {
    const { placed } = placedIn(9, lost, away({ waitMs: 0 }))
    assert.deepEqual(loads(placed).slice(2), [0])
    assert.equal(placed.size, 9)
  })

  it('has room for no more than it takes', () => {
    const { placed } = placedIn(9, lost, away({ maxPartitions: 2 }))
    assert.equal(loads(placed)[2], 2)
    assert.equal(placed.size, 9)
  })

  it('keeps everything when nobody else is there', () => {
    const { placed } = placedIn(3, lost.slice(0, 3), { ...away(), members: [] })
    assert.deepEqual([...placed.values()], [third, third, third])
  })
})

describe('moves for the sake of balance', () => {
  const with_ = (calm: Calm) => [memberOne(me, { calm }), memberOne(other, { calm })]
  const movedTo = (placed: ReadonlyMap<string, string>) =>
    [...placed].filter(([, to]) => to === other).map(([id]) => id)

  it('are all made at once without a limit', () => {
    assert.deepEqual(loads(placedIn(8, many(8, locks.held, me), { members: with_({}) }).placed), [4, 4, 0])
  })

  it('are so many at a time, the first by name first, and the same for everyone', () => {
    const { placed } = placedIn(8, many(8, locks.held, me), { members: with_({ movesAtOnce: 2 }) })
    assert.equal(movedTo(placed).length, 2)
    const all = movedTo(placedIn(8, many(8, locks.held, me), { members: with_({}) }).placed)
    assert.deepEqual(movedTo(placed), all.toSorted().slice(0, 2))
  })

  it('count from the release until the next holder has the lock', () => {
    const some = many(8, locks.held, me)
    const [first = ''] = movedTo(placedIn(8, some, { members: with_({ movesAtOnce: 2 }) }).placed)
    const released = some.map((lock, at) => (at === Number(first) ? locks.clean({ next: other }) : lock))
    assert.equal(movedTo(placedIn(8, released, { members: with_({ movesAtOnce: 2 }) }).placed).length, 2)
    const taken = some.map((lock, at) => (at === Number(first) ? locks.held(other) : lock))
    assert.equal(movedTo(placedIn(8, taken, { members: with_({ movesAtOnce: 2 }) }).placed).length, 3)
  })

  it('limit no takeover, and nothing that a drained member gives up', () => {
    const lost = many(8, locks.unclean, third)
    assert.deepEqual(loads(placedIn(8, lost, { members: with_({ movesAtOnce: 1 }) }).placed), [4, 4, 0])
    const calm = { movesAtOnce: 1 }
    const members = [memberOne(me, { calm, absence: 'drained' }), memberOne(other, { calm })]
    assert.deepEqual(loads(placedIn(8, many(8, locks.held, me), { members }).placed), [0, 8, 0])
  })

  it('do not keep what a failed check gave up', () => {
    const coolDowns = new Map([['0', { instance: me, until: 1, why: '', moves: [] }]])
    const members = with_({ movesAtOnce: 1 })
    const held = [locks.held(me), locks.held(other), locks.held(me), locks.held(other)]
    assert.equal(placedIn(4, held, { members, coolDowns }).placed.get('0'), other)
  })

  it('are made all the same where a member would have more than its maxPartitions', () => {
    const calm = { movesAtOnce: 1 }
    const members = [memberOne(me, { calm, maxPartitions: 2 }), memberOne(other, { calm })]
    assert.deepEqual(loads(placedIn(8, many(8, locks.held, me), { members }).placed), [2, 6, 0])
  })

  it('are not limited as long as one member does not say so', () => {
    const members = [memberOne(me, { calm: { movesAtOnce: 1 } }), memberOne(other)]
    assert.deepEqual(loads(placedIn(8, many(8, locks.held, me), { members }).placed), [4, 4, 0])
  })
})

describe('what ran elsewhere meanwhile', () => {
  const calm: Calm = { back: false }
  const members = three.map(member => ({ ...member, calm }))
  const taken = (by: string) => locks.held(by, { held: heldBy(by, { from: third }) })
  const since = [taken(me), taken(other), taken(me), ...many(3, locks.held, me), ...many(3, locks.held, other)]

  it('goes back without "back": false', () => {
    assert.deepEqual(loads(placedIn(9, since, { members: three }).placed), [3, 3, 3])
  })

  it('stays there with it, and nothing else moves in its stead', () => {
    assert.deepEqual(loads(placedIn(9, since, { members }).placed), [5, 4, 0])
  })

  it('does not keep the one that was away from new partitions and takeovers', () => {
    const { placed } = placedIn(12, since, { members })
    assert.equal(placed.size, 12)
    assert.equal((loads(placed)[2] ?? 0) >= 3, true)
  })

  it('holds back no move to a member that is new', () => {
    const held = [...many(5, locks.held, me), ...many(4, locks.held, other)]
    assert.deepEqual(loads(placedIn(9, held, { members }).placed), [3, 3, 3])
  })
})

describe('a frozen service', () => {
  const freeze = freezeFrom({
    ...{ key: '', session: null, createIndex: 1, modifyIndex: 5, lockIndex: 0, value: '{"frozen":true,"by":"hand"}' },
  }) as Freeze

  it('moves nothing', () => {
    assert.deepEqual(loads(placedIn(8, many(8, locks.held, me), { freeze }).placed), [8, 0, 0])
    const coolDowns = new Map([['0', { instance: me, until: 1, why: '', moves: [] }]])
    assert.equal(placedIn(2, many(2, locks.held, me), { freeze, coolDowns }).placed.get('0'), me)
  })

  it('leaves what was lost to the one that lost it', () => {
    const { placed, unplaced } = placedIn(4, many(4, locks.unclean, third), { freeze })
    assert.deepEqual([...placed], [])
    assert.deepEqual([...unplaced.values()], Array(4).fill(frozenLost))
    const again = placedIn(4, many(4, locks.unclean, third), { freeze, members: three }).placed
    assert.deepEqual(loads(again), [0, 0, 4])
  })

  it('gives nobody a lock whose last holder is not known, or that is missing', () => {
    assert.deepEqual([...placedIn(2, [locks.garbled()], { freeze }).unplaced.values()], [frozenLost, frozenLost])
  })

  it('has clean locks claimed, as far as there is room', () => {
    const held = [...many(4, locks.held, me), ...ids(4).map(() => locks.clean())]
    assert.deepEqual(loads(placedIn(8, held, { freeze }).placed), [4, 4, 0])
    const members = [memberOne(me), memberOne(other, { maxPartitions: 1 })]
    const { placed } = placedIn(8, held, { freeze, members })
    assert.equal(loads(placed)[1], 1)
  })

  it('lets a drained member give up what it has', () => {
    const members = [memberOne(me, { absence: 'drained' }), memberOne(other)]
    assert.deepEqual(loads(placedIn(4, many(4, locks.held, me), { freeze, members }).placed), [0, 4, 0])
  })

  it('stops what is held by hand', () => {
    const settings = { drained: [], held: ['0'], epoch: 0 }
    assert.equal(placedIn(2, many(2, locks.held, me), { freeze, settings }).placed.has('0'), false)
  })

  it('is frozen by the look that first finds too many lost', () => {
    const members = [memberOne(me, { calm: { freeze: { lost: 0.5, settleMs: 0 } } })]
    const away = new Map([other, third].map(name => [name, awayOne(name, { waitMs: 0 })]))
    const { placed, unplaced } = placedIn(2, many(2, locks.unclean, other), { members, away })
    assert.deepEqual([placed.size, [...unplaced.values()]], [0, [frozenLost, frozenLost]])
  })
})

describe('with rules of placement', () => {
  const ruled = (rules: Partial<Rules>, pins: [string, string][] = []) => ({
    placement: { ...noPlacement, rules: { ...noRules, ...rules }, pins: new Map(pins) },
  })
  const calm: Calm = { movesAtOnce: 1 }
  const two = [memberOne(me, { calm }), memberOne(other, { calm })]

  it('a pin is no move for the sake of balance', () => {
    const pins = ['5', '6', '7'].map((id): [string, string] => [id, other])
    const { placed } = placedIn(8, many(8, locks.held, me), { members: two, ...ruled({}, pins) })
    assert.deepEqual(
      pins.map(([id]) => placed.get(id)),
      [other, other, other],
    )
    assert.deepEqual(loads(placed), [4, 4, 0], 'and one of the others moves')
  })

  it('no move is put off that a hard rule may ask for', () => {
    const only = [{ attribute: 'node', in: ['b'] }]
    const { placed } = placedIn(8, many(8, locks.held, me), { members: two, ...ruled({ only }) })
    assert.deepEqual(loads(placed), [0, 8, 0])
  })

  it('a member that is away keeps its share, and nobody gets what waits for it', () => {
    const away = new Map([[third, awayOne(third, { waitMs: 60_000 })]])
    const lost = [...many(3, locks.unclean, third), ...many(3, locks.held, me), ...many(3, locks.held, other)]
    const { placed } = placedIn(9, lost, { away, ...ruled({ cost: [{ is: 1 }] }) })
    assert.deepEqual(loads(placed), [3, 3, 3])
    assert.deepEqual(
      ['0', '1', '2'].map(id => placed.get(id)),
      [third, third, third],
    )
  })

  it('a clean lock is not claimed beside what a frozen service leaves where it is', () => {
    const freeze = freezeFrom({
      ...{ key: '', session: null, createIndex: 1, modifyIndex: 5, lockIndex: 0, value: '{"frozen":true}' },
    })
    const apart = [{ over: 'node' }]
    const held = [locks.held(me), locks.clean()]
    const { placed } = placedIn(2, held, { freeze, members: two, ...ruled({ apart }) })
    assert.deepEqual([placed.get('0'), placed.get('1')], [me, other])
    const alone = placedIn(2, held, { freeze, members: two.slice(0, 1), ...ruled({ apart }) })
    assert.deepEqual([alone.placed.get('0'), alone.placed.has('1')], [me, false])
  })
})
