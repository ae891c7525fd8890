import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { awaited, awayFrom } from '../../lib/keys/away.ts'
import { agreed, type Calm, calmFields, calmIn } from '../../lib/keys/calm.ts'
import {
  crossing,
  type Freeze,
  fewLost,
  freezeFrom,
  freezing,
  isFrozen,
  stillThawed,
  thawing,
} from '../../lib/keys/freeze.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { definition, locks, me, memberOne, other, registeredOne, third } from '../fixtures/cluster.ts'
import { awayOne } from './away.ts'

const keys = keysOf('svc')
const rule = { lost: 0.6, settleMs: 30_000 }

describe('what a member says of calm', () => {
  it('is read as it was written', () => {
    const all: Calm = { waitMs: 120_000, movesAtOnce: 10, back: false, freeze: rule }
    assert.deepEqual(calmIn(JSON.parse(JSON.stringify(calmFields(all)))), all)
    assert.equal(calmIn(JSON.parse(memberValue('a', definition, 'd'))), undefined)
  })

  it('is nothing where it is garbled, or longer than an hour', () => {
    for (const wait of [-1, 0, '2m', 1e308, Number.NaN, 3_600_001]) assert.equal(calmIn({ wait }), undefined)
    for (const moves of [0, -1, 1.5, '1']) assert.equal(calmIn({ moves }), undefined)
    for (const lost of [0, 1, -1, '60%', 1e308]) assert.equal(calmIn({ freeze: { lost, settleMs: 0 } }), undefined)
    for (const freeze of [null, [], 'all', { lost: 0.5 }, { lost: 0.5, settleMs: -1 }])
      assert.equal(calmIn({ freeze }), undefined)
  })

  it('is in force once every member says it, as the most generous one says', () => {
    const one = { calm: { movesAtOnce: 1, back: false, freeze: rule } as const }
    const two = { calm: { movesAtOnce: 5, back: false, freeze: { lost: 0.3, settleMs: 60_000 } } as const }
    assert.deepEqual(agreed([one, two]), { movesAtOnce: 5, back: false, freeze: { lost: 0.6, settleMs: 60_000 } })
    const off = { movesAtOnce: Number.POSITIVE_INFINITY, back: true, freeze: null }
    assert.deepEqual(agreed([one, two, {}]), off)
    assert.deepEqual(agreed([]), off)
  })
})

describe('an instance that is away', () => {
  const value = memberValue('b', { ...definition, waitMs: 60_000 }, 'd')
  const entry = (over = {}) => ({
    ...{ key: keys.member(other), session: null, createIndex: 1, modifyIndex: 9, lockIndex: 1, value, ...over },
  })
  const dead = [registeredOne(other, { passing: false })]
  const one = (over = {}, registered = dead, drained: string[] = []) =>
    awayFrom([entry(over)], keys.members, registered, { drained }).get(other)

  it('left a member key that no session holds', () => {
    assert.deepEqual([one()?.waitMs, one()?.lost, one()?.index], [60_000, true, 9])
    assert.equal(one({ session: 'its own' }), undefined)
  })

  it('is not waited for once it has said that it leaves, is drained or in maintenance', () => {
    assert.equal(one({ value: memberValue('b', { ...definition, waitMs: 60_000 }, 'd', { leaving: true }) }), undefined)
    assert.equal(one({}, dead, [other])?.waitMs, 0)
    assert.equal(one({}, [registeredOne(other, { passing: false, maintenance: true })])?.waitMs, 0)
  })

  it('is not lost any more while it comes back, and not counted once Consul has forgotten it', () => {
    assert.equal(one({}, [registeredOne(other)])?.lost, false)
    assert.equal(one({}, [])?.lost, false)
  })

  it('is waited for by its own unclean locks alone', () => {
    const away = new Map([[other, awayOne(other, { waitMs: 60_000 })]])
    assert.equal(awaited(locks.unclean(other), away)?.instance, other)
    for (const lock of [locks.unclean(me), locks.clean({ next: other }), locks.held(other), locks.garbled()])
      assert.equal(awaited(lock, away), null)
    assert.equal(awaited(locks.unclean(other), new Map([[other, awayOne(other)]])), null)
  })
})

describe('too many lost instances', () => {
  const members = (...names: string[]) => names.map(name => memberOne(name, { calm: { freeze: rule } }))
  const lost = (...names: string[]) => new Map(names.map(name => [name, awayOne(name, { lost: true })]))
  const shown = (there: number, gone: number, freeze: Freeze | null = null) => ({
    members: members(...Array.from({ length: there }, (_, at) => `m${at}:svc`)),
    away: lost(...Array.from({ length: gone }, (_, at) => `x${at}:svc`)),
    freeze,
  })

  it('freeze when they are more than the limit, and not at it', () => {
    const rows: [there: number, gone: number, freezes: boolean][] = [
      ...(
        [
          [2, 4, true],
          [3, 3, false],
          [2, 3, false],
          [4, 6, false],
          [3, 6, true],
          [6, 0, false],
        ] as const
      ).map(([a, b, c]): [number, number, boolean] => [a, b, c]),
    ]
    for (const [there, gone, freezes] of rows)
      assert.equal(isFrozen(shown(there, gone)), freezes, `${gone} of ${there + gone}`)
    assert.deepEqual(crossing(shown(2, 4)), { lost: ['x0:svc', 'x1:svc', 'x2:svc', 'x3:svc'], of: 6, rule })
  })

  it('freeze nothing where one member does not say so', () => {
    const some = shown(2, 4)
    assert.equal(isFrozen({ ...some, members: [...some.members, memberOne(me)] }), false)
  })

  it('freeze once: what a thaw by hand has named counts again when it has been back', () => {
    const frozen = freezeFrom(entryOf(freezing(keys, null, { by: 'lost', lost: ['x0:svc'], of: 6, rule }, 'now')))
    assert.equal(crossing(shown(2, 4, frozen)), null)
    const thawed = freezeFrom(entryOf(thawing(keys, frozen as Freeze, shown(2, 4).away)))
    assert.deepEqual([thawed?.frozen, isFrozen(shown(2, 4, thawed))], [false, false])
    const again = new Map([...shown(2, 4).away].map(([name, one]) => [name, { ...one, index: one.index + 1 }]))
    assert.equal(isFrozen({ ...shown(2, 4, thawed), away: again }), true)
    assert.equal(thawing(keys, frozen as Freeze, new Map())[1]?.Verb, 'delete-cas')
  })

  it('freeze again by what is lost since a thaw by hand, and by nothing that was lost before it', () => {
    const frozen = freezeFrom(entryOf(freezing(keys, null, { by: 'lost', lost: ['x0:svc'], of: 6, rule }, 'now')))
    const thawed = freezeFrom(entryOf(thawing(keys, frozen as Freeze, shown(2, 4).away)))
    const since = new Map([...shown(0, 4).away, ...lost('y0:svc', 'y1:svc')])
    const found = crossing({ members: members(me), away: since, freeze: thawed })
    assert.deepEqual(found?.lost, ['y0:svc', 'y1:svc'])
    const again = freezeFrom(entryOf(freezing(keys, thawed, { by: 'lost', ...found }, 'now'))) as Freeze
    const ended = freezeFrom(entryOf(thawing(keys, again, stillThawed({ freeze: again, away: since }))))
    const oneBack = new Map([...shown(0, 4).away, ...lost('y1:svc')])
    assert.equal(isFrozen({ members: members(me, other), away: oneBack, freeze: ended }), false)
  })

  it('write spec/freeze alone: where the set was lost, spec/revision would say that it is empty', () => {
    const frozen = freezeFrom(entryOf(freezing(keys, null, { by: 'hand' }, 'now'))) as Freeze
    const all = [
      freezing(keys, null, { by: 'hand' }, 'now'),
      ...[new Map(), lost(me)].map(away => thawing(keys, frozen, away)),
    ]
    assert.deepEqual([...new Set(all.flat().map(({ Key }) => Key))], [keys.freeze])
  })

  it('are few enough once the lost among those named are at most the limit, whoever else is lost', () => {
    const names = ['x0:svc', 'x1:svc', 'x2:svc', 'x3:svc']
    const freeze = freezeFrom(entryOf(freezing(keys, null, { by: 'lost', lost: names, of: 6, rule }, 'now')))
    assert.equal(fewLost({ ...shown(2, 4, freeze) }), false)
    assert.equal(fewLost({ ...shown(3, 3, freeze) }), true)
    assert.equal(fewLost({ ...shown(3, 3, freeze), away: lost('x0:svc', third, other, me, 'y:svc') }), true)
    const byHand = freezeFrom(entryOf(freezing(keys, null, { by: 'hand' }, 'now')))
    assert.equal(fewLost(shown(6, 0, byHand)), false)
  })

  for (const value of ['', '{', '7', '[]', '{"frozen":"yes"}', '{"frozen":1}', '{"thawed":7}', '{"lost":{"a":1}}'])
    it(`freeze nothing by a key that says ${value}`, () => {
      assert.equal(freezeFrom({ ...blank, value })?.frozen, false)
    })

  it('are printed on one line, whatever the key says', () => {
    const value = JSON.stringify({ frozen: true, why: 'a\nb\u001b[2J', lost: ['a\nb', 7] })
    const freeze = freezeFrom({ ...blank, value })
    assert.deepEqual([freeze?.why, freeze?.lost], ['a b [2J', ['a b']])
  })
})

const blank = { key: keys.freeze, session: null, createIndex: 1, modifyIndex: 5, lockIndex: 0, value: null }

function entryOf([write]: ReturnType<typeof freezing>) {
  return { ...blank, value: Buffer.from(write?.Value ?? '', 'base64').toString() }
}
