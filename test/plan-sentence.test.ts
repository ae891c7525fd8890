import assert from 'node:assert/strict'
import { it } from 'node:test'
import { byName, listed } from '../lib/base/text.ts'
import { sentence } from '../lib/plan/sentence.ts'
import type { Step } from '../lib/plan/step.ts'
import { locks, me, other, snapshotOf, third } from './fixtures/cluster.ts'

const snapshot = snapshotOf({
  locks: new Map([
    ['0', locks.held(me)],
    ['1', locks.held(other)],
  ]),
})

const said = (steps: readonly Step[], waits: Record<string, number> = {}) =>
  sentence(snapshot, steps, new Map(Object.entries(waits))).replace(/; held 1 of 2$/, '')

const cases: [string, readonly Step[], string][] = [
  ['nothing', [], 'nothing to do'],
  ['taking part', [{ do: 'enter' }], 'takes part'],
  ['defining', [{ do: 'define' }], "compares its definition's partitions with the set"],
  ['taking back', [{ do: 'reclaim', partition: '3', index: 1, held: false }], 'takes back its own 3'],
  ['assuming', [{ do: 'adopt', partition: '3', index: 1 }], 'assumes 3'],
  ['claiming', [{ do: 'claim', partition: '3', index: 1, takeover: false }], 'claims 3'],
  [
    'claiming after a wait',
    [
      { do: 'claim', partition: '3', index: 1, takeover: true },
      { do: 'claim', partition: '2', index: 1, takeover: false },
    ],
    'claims 2, 3 (1 after the takeover wait)',
  ],
  ['restarting', [{ do: 'restart', partition: '3', request: 7 }], 'stops 3 to start it again'],
  ['starting', [{ do: 'start', partition: '3' }], 'starts 3'],
  [
    'handing over',
    [
      { do: 'release', partition: '10', index: 1, held: true, next: third, removed: false },
      { do: 'release', partition: '9', index: 1, held: true, next: other, removed: false },
    ],
    `hands 9, 10 over to ${other}, ${third}`,
  ],
  ['giving up', [{ do: 'release', partition: '3', index: 1, held: true, next: null, removed: true }], 'gives up 3'],
  ['disowning', [{ do: 'disown', partition: '3', index: 1, next: null }], 'gives back 3, which it did not take'],
  [
    'stopping',
    [
      { do: 'stop', partition: '3', why: 'its lock is lost' },
      { do: 'stop', partition: '2', why: 'its lock is lost' },
      { do: 'stop', partition: '1', why: 'b holds its lock' },
    ],
    'stops 1, 2, 3: its lock is lost, b holds its lock',
  ],
  ['deleting', [{ do: 'delete', partition: '3', index: 1 }], 'deletes the locks of 3, no longer in the set'],
]

for (const [what, steps, words] of cases) {
  it(`says in one line: ${what}`, () => assert.equal(said(steps), words))
}

it('puts several things in the order in which they are done, whatever the order of the steps', () => {
  const steps: Step[] = [
    { do: 'stop', partition: '3', why: 'its lock is lost' },
    { do: 'start', partition: '1' },
    { do: 'enter' },
  ]
  assert.equal(said(steps), 'takes part; starts 1; stops 3: its lock is lost')
})

it('tells the longest wait', () => {
  assert.equal(said([], { 7: 400, 11: 13_600 }), 'waits 14 s to take over 7, 11')
})

it('says why nothing is claimed', () => {
  const idle = snapshotOf({ leaseRuns: false, partitions: new Set() })
  assert.equal(sentence(idle, [], new Map()), 'claims nothing while its lease does not run; held 0 of 0')
})

it('counts what its own session holds', () => {
  assert.match(sentence(snapshot, [], new Map()), /; held 1 of 2$/)
  assert.match(
    sentence(snapshotOf({ session: null, locks: new Map([['0', locks.clean()]]) }), [], new Map()),
    /held 0 of 2$/,
  )
})

it('lists ten ids, and counts the rest', () => {
  const ids = Array.from({ length: 12 }, (_, id) => String(id))
  assert.equal(listed(ids.slice(0, 10)), '0, 1, 2, 3, 4, 5, 6, 7, 8, 9')
  assert.equal(listed(ids), '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
})

it('sorts numbers by size and names as names', () => {
  assert.deepEqual(['10', '9', '1'].sort(byName), ['1', '9', '10'])
  assert.deepEqual(['b', 'a', 'B'].sort(byName), ['B', 'a', 'b'])
  assert.equal(byName('a', 'a'), 0)
  assert.notEqual(byName('1', '01'), 0)
})
