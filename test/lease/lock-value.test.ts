import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Entry } from '../../lib/consul/kv.ts'
import {
  cautiousWait,
  cleanValue,
  heldValue,
  lockFrom,
  longestWait,
  takeoverWait,
  uncleanValue,
} from '../../lib/keys/lock.ts'
import { heldBy, me } from '../fixtures/cluster.ts'

const held = heldBy(me)

/** A lock that was taken once and is free now. */
function lock(value: string | null, over: Partial<Entry> = {}) {
  return lockFrom({ key: 'lock/0', value, session: null, createIndex: 5, modifyIndex: 9, lockIndex: 1, ...over })
}

const clean = cleanValue(me, '2026-01-01T00:00:00Z')

describe('the value of a lock is believed', () => {
  const indexes: [string, Partial<Entry>, boolean][] = [
    ['when it was written under a lock', { lockIndex: 1 }, true],
    ['when it was written under a lock that was taken often', { lockIndex: 40 }, true],
    ['when it was written with the key itself', { lockIndex: 0, createIndex: 9 }, true],
    ['but not when it was written over an older one by anyone', { lockIndex: 0 }, false],
    ['but not when the answer lacks its indexes', { lockIndex: undefined as never }, false],
  ]
  for (const [when, over, believed] of indexes) {
    it(`${when}: clean`, () => assert.equal(lock(clean, over).clean, believed))
    it(`${when}: held`, () => assert.deepEqual(lock(heldValue(held), over).held, believed ? held : null))
  }

  it('no more when it is overwritten while it is held', () => {
    const { session, clean: isClean, held } = lock(clean, { lockIndex: 0, session: 's' })
    assert.deepEqual([session, isClean, held], ['s', false, null])
  })
})

describe('what a value says of a machine that is cut off', () => {
  it('is told back', () => {
    for (const whenIsolated of ['keep', 'run'] as const)
      assert.equal(lock(heldValue({ ...held, whenIsolated })).held?.whenIsolated, whenIsolated)
  })

  it('is left out where everything is stopped, and for any other word', () => {
    assert.ok(!heldValue(held).includes('whenIsolated'))
    for (const word of ['stop', '', 1, null, ['keep'], { run: ['/bin/sh'] }])
      assert.ok(!('whenIsolated' in (lock(JSON.stringify({ ...held, whenIsolated: word })).held ?? {})))
  })
})

describe('a value', () => {
  it('of an acquisition tells it back', () =>
    assert.deepEqual(lock(heldValue(held)), {
      session: null,
      createIndex: 5,
      modifyIndex: 9,
      held,
      clean: false,
      next: null,
      epoch: 0,
    }))
  it('of an acquisition is still one with what cannot be made a text', () => {
    const value = JSON.stringify({ ...held, since: { toString: 1 }, version: [{ toString: 1 }] })
    assert.deepEqual(lock(value).held, { ...held, since: '', version: '' })
  })
  it('of a release is clean, and nobody’s', () =>
    assert.deepEqual(lock(clean), {
      session: null,
      createIndex: 5,
      modifyIndex: 9,
      held: null,
      clean: true,
      next: null,
      by: '2026-01-01T00:00:00Z',
      epoch: 0,
    }))
  it('tells the epoch of the last token, if it is to be believed', () => {
    const values = [heldValue({ ...held, epoch: 3 }), cleanValue('', 'a:1', null, 3)]
    for (const value of values) {
      assert.equal(lock(value).epoch, 3)
      assert.equal(lock(value, { lockIndex: 0 }).epoch, 0)
    }
    for (const epoch of ['-1', '1.5', '"3"', '1e9', 'null'])
      assert.equal(lock(`{"clean":true,"epoch":${epoch}}`).epoch, 0)
  })
  it('of a new partition is clean, and nobody’s', () => assert.equal(lock(cleanValue('now')).clean, true))
  it('that was disowned is not clean, and nobody’s', () => {
    const { clean, held } = lock(uncleanValue('now', me))
    assert.deepEqual([clean, held], [false, null])
  })

  const garbled: [string, string | null][] = [
    ['nothing', null],
    ['an empty text', ''],
    ['half of one', heldValue(held).slice(0, -1)],
    ['null', 'null'],
    ['a number', '5'],
    ['a text', '"clean"'],
    ['true', 'true'],
    ['a list', '[{"clean":true}]'],
    ['an empty object', '{}'],
    ['clean as a text', '{"clean":"true"}'],
    ['clean as a number', '{"clean":1}'],
    ['one that says both', JSON.stringify({ ...held, clean: false })],
    ['one without its instance', JSON.stringify({ ...held, instance: undefined })],
    ['one without its acquisition', JSON.stringify({ ...held, acquisition: null })],
    ['one whose instance would move a cursor', JSON.stringify({ ...held, instance: '\u001b[2J' })],
    ['one whose acquisition is two lines', JSON.stringify({ ...held, acquisition: 'a\nb' })],
    ['one whose instance fills a screen', JSON.stringify({ ...held, instance: 'a'.repeat(501) })],
    ['one without its lease', JSON.stringify({ ...held, lease: undefined })],
    ['one with a lease in words', JSON.stringify({ ...held, lease: '10s' })],
    ['one with a negative grace period', JSON.stringify({ ...held, grace: -1 })],
    ['one with an endless lease', JSON.stringify(held).replace('10000', '1e999')],
  ]
  for (const [what, value] of garbled) {
    it(`that is ${what} tells nothing`, () => {
      const { clean, held } = lock(value)
      assert.deepEqual([clean, held], [false, null])
    })
  }

  it('without what only people read still tells whose it was', () => {
    const found = lock(JSON.stringify({ ...held, since: undefined, version: undefined })).held
    assert.deepEqual(found, { ...held, since: '', version: '' })
  })
})

describe('the takeover wait', () => {
  it('is L + G + 1 s', () => {
    assert.equal(takeoverWait(10_000, 3000), 14_000)
    assert.equal(takeoverWait(7000, 2000), 10_000)
    assert.equal(takeoverWait(0, 0), 1000)
  })

  it('is never longer than 5 min', () => {
    assert.equal(longestWait, 300_000)
    assert.equal(takeoverWait(290_000, 9000), 300_000)
    assert.equal(takeoverWait(290_000, 9001), 300_000)
    assert.equal(takeoverWait(Number.MAX_VALUE, Number.MAX_VALUE), 300_000)
  })

  it('is the longest of all when nobody knows whose it was', () => {
    const terms = [
      { lease: 10_000, grace: 3000 },
      { lease: 5000, grace: 20_000 },
    ]
    assert.equal(cautiousWait(terms), 26_000)
    assert.equal(cautiousWait([]), 300_000)
    assert.equal(cautiousWait([...terms, { lease: 1e9, grace: 0 }]), 300_000)
  })
})
