import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { mostIds } from '../../lib/definition/definition.ts'
import {
  type Count,
  countFrom,
  countIn,
  counting,
  followedBy,
  type Giving,
  numberFor,
  numberIn,
} from '../../lib/keys/count.ts'

const keys = keysOf('svc')
const entry = (value: unknown, modifyIndex = 7) => ({
  ...{ key: keys.number, session: null, createIndex: 1, modifyIndex, lockIndex: 0 },
  value: typeof value === 'string' ? value : JSON.stringify(value),
})

describe('a percentage', () => {
  const cores = (number: string | number, absence: string | null = null): Giving => ({
    weight: 1,
    absence,
    offers: { meta: { cores: String(number) } },
  })
  const weights = (...all: number[]): Giving[] => all.map(weight => ({ weight, absence: null }))
  const rows: [what: string, percent: number, of: string, members: Giving[], number: number | null][] = [
    ['7 % of 96 cores is 7, rounded up', 7, 'meta.cores', [cores(32), cores(32), cores(32)], 7],
    ['7 % of 100 is 7, whatever the floating point says', 7, 'weight', weights(...Array(100).fill(1)), 7],
    ['29 % of 100 is 29', 29, 'weight', weights(100), 29],
    ['a tenth of three weights of 0.1 is one', 10, 'weight', weights(0.1, 0.1, 0.1), 1],
    ['0.1 + 0.2 is 0.3', 1000, 'weight', weights(0.1, 0.2), 3],
    ['at least one', 0.0001, 'weight', weights(1), 1],
    ['more than all', 250, 'weight', weights(1, 1), 5],
    ['of what is there: a drained member gives nothing', 50, 'meta.cores', [cores(8), cores(8, 'drained')], 4],
    [
      'of numbers: text, nothing and less than nothing count 0',
      50,
      'meta.cores',
      ['many', '', ' ', '-4', '8'].map(c => cores(c)),
      4,
    ],
    ['nothing where nobody has the number', 7, 'meta.gpus', [cores(8)], null],
    ['nothing without a member', 7, 'weight', [], null],
    ['nothing where all are drained', 7, 'weight', [{ weight: 1, absence: 'drained' }], null],
    ['no more than a set may have', 10_000, 'weight', weights(1_000_000), mostIds],
    ['no number that nobody can have', 7, 'meta.cores', [cores('1e308'), cores('Infinity')], null],
  ]
  for (const [what, percent, of, members, number] of rows)
    it(`is ${what}`, () => assert.equal(numberFor({ percent, of }, members), number))

  it('of a name that every object has is nothing', () =>
    assert.equal(numberFor({ percent: 7, of: 'meta.constructor' }, [cores(8)]), null))
})

describe('spec/number', () => {
  const good: Count = {
    ...{ by: 'hand', number: 12, done: false, had: 10, share: null, clean: true, instance: null, since: 'now' },
  }

  it('is read as it was written', () => {
    for (const over of [
      {},
      { clean: false },
      { instance: 'a:svc' },
      { share: { percent: 7, of: 'weight', settleMs: 1 } },
    ]) {
      const [write] = counting(keys, { index: 5 }, { ...good, ...over })
      assert.equal(write?.Index, 5)
      const text = Buffer.from(write?.Value ?? '', 'base64').toString()
      assert.deepEqual(countFrom(entry(text)), { ...good, ...over, index: 7 })
    }
  })

  const hostile = [
    ...['', '{', '7', 'null', '[]', '{}'],
    ...[-1, 1.5, 1e308, '12', null, mostIds + 1].map(number => JSON.stringify({ by: 'hand', number, had: 0 })),
    JSON.stringify({ by: 'me', number: 1, had: 0 }),
    ...[
      ...[{}, 7, { percent: '7', of: 'weight', settleMs: 0 }, { percent: 7, of: 'run', settleMs: 0 }],
      ...[0, -7, 10_001, 1e308].map(percent => ({ percent, of: 'weight', settleMs: 0 })),
      ...['meta.', 'meta.a b', `meta.${'a'.repeat(200)}`].map(of => ({ percent: 7, of, settleMs: 0 })),
    ].map(share => JSON.stringify({ by: 'hand', number: 1, had: 0, share })),
  ]
  for (const value of hostile)
    it(`asks for nothing when it says ${value}`, () => assert.equal(countFrom(entry(value))?.by, 'garbled'))

  it('counts what was there, or was to be, when another number takes its place', () => {
    const next = { by: 'hand', number: 12, share: null, since: '' } as const
    const had = (before: Count | null, ids: string[]) => followedBy(before, ids, next).had
    assert.equal(had(null, ['0', '1', 'eu']), 2)
    assert.equal(had({ ...good, number: 20, had: 10, done: false }, ['0', '14']), 20)
    assert.equal(had({ ...good, number: 20, had: 20, done: true }, ['0', '19']), 20)
    assert.equal(had({ ...good, number: 5, had: 20, done: false }, ['0', '14']), 20)
    assert.equal(followedBy({ ...good, clean: false }, [], next).clean, false)
  })

  it('knows its ids as it writes them, and no other numbers', () => {
    assert.deepEqual(['0', '7', '10', '007', '+1', '1e3', '-1', '', 'a', ' 1'].map(numberIn), [
      ...[0, 7, 10],
      ...[null, null, null, null, null, null, null],
    ])
    assert.equal(countIn(['3', 'x', '007']), 4)
    assert.equal(countIn([]), 0)
  })
})
