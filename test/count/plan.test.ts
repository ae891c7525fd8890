/** What an instance plans for a number of partitions in force, for a freeze, and for locks that wait for who is away. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CountInForce } from '../../lib/keys/count.ts'
import { type Freeze, freezeFrom } from '../../lib/keys/freeze.ts'
import type { Snapshot } from '../../lib/look/snapshot.ts'
import { fewAreLost, numberStands } from '../../lib/look/stood.ts'
import { definedLine } from '../../lib/plan/counting.ts'
import { plan } from '../../lib/plan/plan.ts'
import type { Step } from '../../lib/plan/step.ts'
import { awayOne } from '../calm/away.ts'
import { definition, locks, me, memberOne, now, other, snapshotOf, third } from '../fixtures/cluster.ts'

const share = { percent: 100, of: 'weight', settleMs: 30_000 }
const withShare = { ...definition, partitions: [], share }
const hand: CountInForce = {
  ...{ by: 'hand', number: 12, done: true, had: 12, share: null, clean: true, instance: null, since: '', index: 7 },
}
const byShare: CountInForce = { ...hand, by: 'definition', number: 2, had: 2, share }
const frozen = freezeFrom({
  ...{ key: '', session: null, createIndex: 1, modifyIndex: 5, lockIndex: 0, value: '{"frozen":true,"by":"hand"}' },
}) as Freeze

const proposed = { instance: me, change: 'c', removes: 1, removed: ['0'], adds: 0, added: [], since: '', index: 1 }

function steps(over: Partial<Snapshot>): readonly Step[] {
  return plan(snapshotOf({ partitions: new Set(), ...over }), new Map()).steps
}

const three = [me, other, third].map(name => memberOne(name))
const changed = { definedLast: '["another"]' }
const stoodFor = (what: string, ms: number) => ({ stood: new Map([[what, now - ms]]) })
const bring = (number: number): Step => ({ do: 'count', what: 'bring', number })
const write = (number: number): Step => ({ do: 'count', what: 'write', number })
const define: Step = { do: 'define' }

const rows: [when: string, over: Partial<Snapshot>, expected: readonly Step[]][] = [
  ['a number that the set has come to asks for nothing', { count: hand }, []],
  ['a set that is behind is brought to the number', { count: { ...hand, done: false } }, [bring(12)]],
  [
    'by the first member by name alone',
    { count: { ...hand, done: false }, members: [memberOne(me), memberOne('_:svc')] },
    [],
  ],
  [
    'an older release is not the first one, nor is a member that leaves',
    {
      count: { ...hand, done: false },
      members: [memberOne(me), memberOne('_:svc', { counts: false }), memberOne('-:svc', { absence: 'leaving' })],
    },
    [bring(12)],
  ],
  ['the number that people set wins over a changed definition', { count: hand, ...changed }, []],
  ['so it does over a percentage', { count: hand, definition: withShare, ...changed }, []],
  [
    'what a definition proposed before is withdrawn: people have decided',
    { count: hand, ...changed, proposals: new Map([[me, { ...proposed, applied: false }]]) },
    [define],
  ],
  ['a garbled number changes nothing', { count: { ...hand, by: 'garbled' }, ...changed, definition: withShare }, []],
  ['a reset is taken by one', { count: { ...hand, by: 'reset' } }, [{ do: 'count', what: 'reset', number: 12 }]],
  ['which then writes its definition', { count: { ...hand, by: 'reset', instance: me } }, [define]],
  ['the others wait for it', { count: { ...hand, by: 'reset', instance: other } }, []],
  [
    'unless it is gone',
    { count: { ...hand, by: 'reset', instance: third } },
    [{ do: 'count', what: 'reset', number: 12 }],
  ],
  ['a reset waits for the thaw', { count: { ...hand, by: 'reset', instance: me }, freeze: frozen }, []],
  ['a set does not shrink while it is frozen', { count: { ...hand, done: false, had: 13 }, freeze: frozen }, []],
  ['it may grow', { count: { ...hand, done: false, had: 10 }, freeze: frozen }, [bring(12)]],
  ['a percentage waits until its number has stood', { count: byShare, members: three }, []],
  ['not long enough yet', { count: byShare, members: three, ...stoodFor(numberStands(3), 29_999) }, []],
  [
    'and then follows the members',
    { count: byShare, members: three, ...stoodFor(numberStands(3), 30_000) },
    [write(3)],
  ],
  [
    'another number that has stood does not count',
    { count: byShare, members: three, ...stoodFor(numberStands(4), 90_000) },
    [],
  ],
  [
    'a percentage does not follow while the service is frozen',
    { count: byShare, members: three, freeze: frozen, ...stoodFor(numberStands(3), 90_000) },
    [],
  ],
  [
    'a percentage that people set follows, too',
    { count: { ...byShare, by: 'hand' }, members: three, ...stoodFor(numberStands(3), 30_000) },
    [write(3)],
  ],
  [
    'the first number of a percentage waits as well',
    { defined: false, definition: withShare, definedLast: null, ...stoodFor(numberStands(2), 1000) },
    [],
  ],
  [
    'and is written with the set',
    { defined: false, definition: withShare, definedLast: null, ...stoodFor(numberStands(2), 30_000) },
    [define],
  ],
  [
    'whoever comes later with the same percentage takes note of it',
    { count: byShare, definition: withShare, definedLast: null },
    [define],
  ],
  ['and does nothing afterwards', { count: byShare, definition: withShare, definedLast: definedLine(withShare) }, []],
  [
    'a set whose keys were all deleted but the number is written anew by it',
    { defined: false, count: hand, definedLast: definedLine(definition) },
    [define],
  ],
  [
    'no instance with a source brings the set anywhere',
    { count: { ...hand, done: false }, definition: { ...definition, source: {} as never } },
    [],
  ],
  [
    'an applied removal waits for the thaw',
    {
      ...changed,
      freeze: frozen,
      proposals: new Map([[me, { ...proposed, applied: true }]]),
    },
    [],
  ],
]

describe('the number in force', () => {
  for (const [when, over, expected] of rows) it(when, () => assert.deepEqual(steps(over), expected))
})

describe('a freeze by itself', () => {
  const rule = { lost: 0.5, settleMs: 30_000 }
  const members = [memberOne(me, { calm: { freeze: rule } })]
  const away = new Map([other, third].map(name => [name, awayOne(name)]))
  const byLost = { ...frozen, by: 'lost', lost: [other, third], of: 3, rule } as const

  it('begins with the first look that finds too many lost', () => {
    assert.deepEqual(steps({ members, away }), [{ do: 'freeze', lost: [other, third], of: 3 }])
    assert.deepEqual(steps({ members, away, freeze: byLost }), [])
  })

  it('ends when few enough have been lost for long enough', () => {
    const back = { members: [...members, memberOne(other)], away: new Map([[third, awayOne(third)]]), freeze: byLost }
    assert.deepEqual(steps(back), [])
    assert.deepEqual(steps({ ...back, ...stoodFor(fewAreLost, 29_999) }), [])
    assert.deepEqual(steps({ ...back, ...stoodFor(fewAreLost, 30_000) }), [{ do: 'thaw' }])
    assert.deepEqual(steps({ ...back, away, ...stoodFor(fewAreLost, 90_000) }), [])
  })

  it('does not end one by hand', () => {
    assert.deepEqual(steps({ members, freeze: frozen, ...stoodFor(fewAreLost, 90_000) }), [])
  })
})

describe('a lock of an instance that is away', () => {
  const waits = (waitMs: number, since: number, lock = locks.unclean(other)) => {
    const snapshot = snapshotOf({
      members: [memberOne(me)],
      partitions: new Set(['0']),
      locks: new Map([['0', lock]]),
      away: new Map([[other, awayOne(other, { waitMs })]]),
      free: new Map([['0', { index: 100, since }]]),
    })
    const { steps, waits } = plan(snapshot, new Map([['0', me]]))
    return waits.get('0') ?? steps[0]?.do
  }

  it('waits for the longer of W and the wait', () => {
    assert.equal(waits(60_000, now - 14_000), 46_000)
    assert.equal(waits(60_000, now - 60_000), 'claim')
    assert.equal(waits(5000, now - 13_000), 1000)
    assert.equal(waits(0, now - 14_000), 'claim')
  })

  it('waits for nobody when it was given back', () => assert.equal(waits(60_000, now, locks.clean()), 'claim'))
})
