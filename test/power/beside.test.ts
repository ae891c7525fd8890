/** When a reconcile starts the program that powers machines off. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isPowerDue } from '../../lib/act/power-beside.ts'
import type { Snapshot } from '../../lib/look/snapshot.ts'
import { locks, me, other, registeredOne, snapshotOf } from '../fixtures/cluster.ts'

const dead = registeredOne(other, { passing: false, nodeAlive: false })
const sick = registeredOne(other, { passing: false })
const free = new Map([['0', { index: 100, since: 0 }]])
const lost = (over: Partial<Snapshot> = {}) =>
  snapshotOf({
    session: 'mine',
    registered: [registeredOne(me), dead],
    free,
    locks: new Map([['0', locks.unclean(other)]]),
    ...over,
  })

const cases: [what: string, snapshot: Snapshot, isDue: boolean][] = [
  ['a failed node has lost a lock', lost(), true],
  ['only its instance has failed', lost({ registered: [registeredOne(me), sick] }), false],
  ['it is gone from the catalog', lost({ registered: [registeredOne(me)] }), false],
  ['it has lost nothing', lost({ free: new Map() }), false],
  ['nobody knows who had the lock', lost({ locks: new Map([['0', locks.garbled()]]) }), false],
  ['this instance does not take part', lost({ session: null }), false],
  [
    'it is this node',
    lost({
      registered: [registeredOne(me, { nodeAlive: false, passing: false })],
      locks: new Map([['0', locks.unclean(me)]]),
    }),
    false,
  ],
]

describe('powering off is looked into', () => {
  for (const [what, snapshot, isDue] of cases)
    it(`${isDue ? 'when' : 'not when'} ${what}`, () => assert.equal(isPowerDue(snapshot, 'a'), isDue))
})
