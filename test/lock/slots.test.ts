import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lockKeysOf } from '../../lib/base/names.ts'
import type { Entry } from '../../lib/consul/kv.ts'
import { cleanValue, heldValue, uncleanValue } from '../../lib/keys/lock.ts'
import { coverTerms, decide, freeSlots, lookFrom, make, nothingSeen, recalled } from '../../lib/lock/slots.ts'
import { heldBy } from '../fixtures/cluster.ts'

const keys = lockKeysOf('deploy')
const terms = { lease: 10_000, grace: 3000 }
const now = 1_000_000

function entry(key: string, value: string | null, over: Partial<Entry> = {}): Entry {
  return { key, value, session: null, createIndex: 5, modifyIndex: 100, lockIndex: 1, ...over }
}

const spec = (slots: number, over: object = {}) =>
  entry(keys.spec, JSON.stringify({ slots, ...terms, epoch: 0, ...over }), { lockIndex: 0, modifyIndex: 50 })
const slot = {
  clean: (n: number) => entry(keys.slot(n), cleanValue('')),
  held: (n: number) => entry(keys.slot(n), heldValue(heldBy('a:1')), { session: 's' }),
  lost: (n: number, over = {}) => entry(keys.slot(n), heldValue(heldBy('a:1', over))),
  garbled: (n: number) => entry(keys.slot(n), 'what is this', { lockIndex: 0 }),
}

function decided(entries: Entry[], slots: number, since: Record<string, number> = {}) {
  const free = new Map(Object.entries(since).map(([n, at]) => [n, { index: 100, since: at }]))
  return decide(keys, lookFrom(keys, entries), { slots, terms }, free, now)
}

describe('a contender', () => {
  it('makes what was never there', () => assert.deepEqual(decided([], 1), { do: 'make' }))
  it('takes a clean slot at once', () =>
    assert.deepEqual(decided([spec(1), slot.clean(0)], 1), { do: 'take', slot: 0, index: 100 }))
  it('waits for a change of a held one', () =>
    assert.deepEqual(decided([spec(1), slot.held(0)], 1), { do: 'wait', until: null }))

  const lost: [string, Entry, number][] = [
    ["the previous holder's", slot.lost(0, { lease: 20_000, grace: 5000 }), 26_000],
    ['the longest known, when the value tells nothing', slot.garbled(0), 34_000],
  ]
  for (const [whose, entry, wait] of lost) {
    it(`leaves a lost one alone for the takeover wait: ${whose}`, () => {
      const there = [spec(1, { lease: 30_000 }), entry]
      assert.deepEqual(decided(there, 1, { 0: now - wait + 1 }), { do: 'wait', until: now + 1 })
      assert.deepEqual(decided(there, 1, { 0: now - wait }), { do: 'take', slot: 0, index: 100 })
    })
  }

  it('prefers a clean one to a lost one that is due', () => {
    const there = [spec(3), slot.held(0), slot.lost(1), slot.clean(2)]
    assert.deepEqual(decided(there, 3, { 1: 0, 2: now }), { do: 'take', slot: 2, index: 100 })
  })

  it('makes a slot that somebody deleted again, uncleanly', () => {
    const next = decided([spec(2), slot.held(1)], 2)
    assert.ok(next.do === 'write')
    assert.deepEqual(
      next.operations.map(({ Verb, Key, Index, Value }) => [Verb, Key, Index, valueIn(Value).clean]),
      [['cas', keys.slot(0), 0, false]],
    )
  })

  it('does not agree to another number of slots while one is used, or may be', () => {
    assert.deepEqual(decided([spec(2), slot.held(0), slot.clean(1)], 1), { do: 'disagree', slots: 2 })
    assert.deepEqual(decided([spec(2), slot.clean(0), slot.lost(1)], 3), { do: 'disagree', slots: 2 })
  })

  for (const [slots, verbs] of [
    [1, ['cas', 'check-index', 'delete-cas']],
    [3, ['cas', 'check-index', 'check-index', 'cas']],
  ] as const) {
    it(`changes the number from 2 to ${slots} when all are free and clean`, () => {
      const next = decided([spec(2), slot.clean(0), slot.clean(1)], slots)
      assert.ok(next.do === 'write')
      assert.deepEqual(
        next.operations.map(({ Verb }) => Verb),
        verbs,
      )
      assert.equal(valueIn(next.operations[0]?.Value).slots, slots)
    })
  }

  it('takes no other key for a slot', () => {
    const strange = ['x', '01', '-1', '1/2', ''].map(name => entry(`${keys.slots}${name}`, cleanValue('')))
    assert.deepEqual([...lookFrom(keys, [spec(1), slot.clean(0), ...strange]).slots.keys()], [0])
  })

  it('records the free ones', () => {
    const look = lookFrom(keys, [spec(3), slot.held(0), slot.lost(1), slot.clean(2)])
    assert.deepEqual(
      [...freeSlots(look)],
      [
        ['1', 100],
        ['2', 100],
      ],
    )
  })
})

describe('the keys of a lock', () => {
  const cleanness = (entries: Entry[], anyone: boolean) =>
    make(keys, lookFrom(keys, entries), { slots: 2, terms }, anyone).map(({ Key, Value }) => [
      Key,
      valueIn(Value).clean,
    ])

  it('are made clean when nothing was there', () =>
    assert.deepEqual(cleanness([], false), [
      [keys.spec, undefined],
      [keys.slot(0), true],
      [keys.slot(1), true],
    ]))

  const unclean: [string, Entry[], boolean][] = [
    ['somebody has a session in its name', [], true],
    ['a slot was left', [slot.held(0)], false],
    ['the spec is garbled', [entry(keys.spec, '{"slots":"2"}')], false],
  ]
  for (const [why, entries, anyone] of unclean) {
    it(`are made unclean when ${why}`, () => {
      const made = cleanness(entries, anyone).filter(([key]) => key !== keys.spec)
      assert.ok(made.length > 0 && made.every(([, clean]) => clean === false), JSON.stringify(made))
    })
  }

  it('count as in use when they were seen held and are made anew without a hand-over', () => {
    const look = (...entries: Entry[]) => lookFrom(keys, entries)
    const { memory } = recalled(look(spec(1), slot.held(0)), nothingSeen)
    const anew = entry(keys.slot(0), cleanValue(''), { createIndex: 100 })
    assert.equal(recalled(look(spec(1), anew), nothingSeen).look.slots.get(0)?.clean, true)
    assert.equal(recalled(look(spec(1), anew), memory).look.slots.get(0)?.clean, false)
    assert.equal(recalled(look(spec(1), slot.clean(0)), memory).look.slots.get(0)?.clean, true, 'it was given back')
    // All of it deleted, and made again by somebody who never saw it.
    const wiped = recalled(look(), memory).memory
    assert.equal(wiped.seenHeld.size, 1)
    assert.equal(recalled(look(spec(1), anew), wiped).look.slots.get(0)?.clean, false)
  })

  it('are remembered with the longest terms that were seen, whoever deletes them', () => {
    const long = lookFrom(keys, [spec(1, { lease: 20_000 }), slot.lost(0, { grace: 9000 })])
    const { memory } = recalled(long, nothingSeen)
    assert.deepEqual(recalled(lookFrom(keys, []), memory).memory.terms, { lease: 20_000, grace: 9000 })
  })

  it('never have a lower epoch than that of the last token, whatever becomes of the spec', () => {
    const used = entry(keys.slot(0), cleanValue('', 'a:1', null, 2))
    for (const entries of [[used], [spec(1), used], [spec(1, { epoch: 1 }), used]]) {
      const look = lookFrom(keys, entries)
      assert.equal(look.epoch, 2)
      const [write] = coverTerms(keys, look, { slots: 1, terms })
      if (look.spec !== null) assert.equal(valueIn(write?.Value).epoch, 2)
      assert.equal(valueIn(make(keys, look, { slots: 1, terms }, false)[0]?.Value).epoch, 2)
    }
    assert.equal(lookFrom(keys, [spec(1, { epoch: 3 }), used]).epoch, 3)
  })

  it('keep the longest terms that anybody had, and the epoch', () => {
    const look = lookFrom(keys, [spec(1, { lease: 20_000, epoch: 2 })])
    assert.deepEqual(coverTerms(keys, look, { slots: 1, terms }), [])
    const [write] = coverTerms(keys, look, { slots: 1, terms: { lease: 6000, grace: 9000 } })
    assert.deepEqual(valueIn(write?.Value), { slots: 1, lease: 20_000, grace: 9000, epoch: 2 })
    assert.equal(write?.Index, 50)
  })

  it('a disowned value is no clean one', () => {
    const made = entry(keys.slot(0), uncleanValue('', 'x'), { createIndex: 100, lockIndex: 0 })
    assert.equal(lookFrom(keys, [made]).slots.get(0)?.clean, false)
  })
})

function valueIn(text: string | undefined) {
  return JSON.parse(Buffer.from(text ?? '', 'base64').toString()) as Record<string, unknown>
}
