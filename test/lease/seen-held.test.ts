import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Lock } from '../../lib/keys/lock.ts'
import { defaults, settingsFrom } from '../../lib/keys/settings.ts'
import { readSeenHeld, refreshSeenHeld, type SeenHeld, seenHeldText, wiped } from '../../lib/look/seen-held.ts'
import { takeSnapshot } from '../../lib/look/snapshot.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { definition, digest, locks, me, other, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { stateOf } from '../fixtures/state.ts'

const { keys } = snapshotOf()
const seen = (...given: [string, number][]): SeenHeld => new Map(given)
const clean = '{"clean":true}'

describe('what is remembered of locks that were seen held', () => {
  const created = (createIndex: number) => ({ createIndex })
  const look = { doubts: new Set<string>(), isRemoved: () => false, defined: true }
  const cases: [string, SeenHeld, Record<string, Lock>, Partial<typeof look>, SeenHeld][] = [
    ['begins when one is held', seen(), { 0: locks.held(other, created(7)) }, {}, seen(['0', 7])],
    ['begins when one is lost by its holder', seen(), { 0: locks.unclean(other, created(7)) }, {}, seen(['0', 7])],
    ['ends when it is given back', seen(['0', 7]), { 0: locks.clean(created(7)) }, {}, seen()],
    [
      'stays while it is in doubt',
      seen(['0', 7]),
      { 0: locks.clean(created(9)) },
      { doubts: new Set(['0']) },
      seen(['0', 7]),
    ],
    ['is the new one when that is held', seen(['0', 7]), { 0: locks.held(other, created(9)) }, {}, seen(['0', 9])],
    ['stays while the lock is missing', seen(['0', 7]), {}, {}, seen(['0', 7])],
    ['ends when the partition was removed, with its lock', seen(['0', 7]), {}, { isRemoved: () => true }, seen()],
    [
      'is explained by nothing more when the whole set is gone',
      seen(['0', 7]),
      {},
      { isRemoved: () => true, defined: false },
      seen(['0', wiped]),
    ],
  ]
  for (const [what, before, now, over, after] of cases) {
    it(what, () => assert.deepEqual(refreshSeenHeld(before, new Map(Object.entries(now)), { ...look, ...over }), after))
  }

  it('comes back as it was written, whatever else stands there', t => {
    const { seenHeld } = stateOf(t)
    const some = seen(['a b/c', 7], ['ü', wiped])
    writeFact(seenHeld, `${seenHeldText(some)}\nx 0\n5\n\n6 %zz`)
    assert.deepEqual(readSeenHeld(seenHeld), some)
  })
})

describe('a lock that says it is clean, as it was made,', () => {
  const cases: [string, clean: boolean, (memory: Awaited<ReturnType<typeof fakeConsul>>['memory']) => number | null][] =
    [
      [
        'is clean when nobody ever had it',
        true,
        memory => {
          memory.transact([
            { Verb: 'set', Key: keys.partition('0'), Value: '' },
            { Verb: 'set', Key: keys.lock('0'), Value: Buffer.from(clean).toString('base64') },
          ])
          return null
        },
      ],
      [
        'is not when it was seen held, and deleted and made again by hand',
        false,
        memory => {
          memory.put(keys.partition('0'), '')
          const index = memory.put(keys.lock('0'), clean)
          memory.remove(keys.lock('0'))
          memory.put(keys.lock('0'), clean)
          return index
        },
      ],
      [
        'is when its partition was removed, and both were added again',
        true,
        memory => {
          memory.transact([
            { Verb: 'set', Key: keys.partition('0'), Value: '' },
            { Verb: 'set', Key: keys.lock('0'), Value: Buffer.from(clean).toString('base64') },
          ])
          return 3
        },
      ],
      [
        'is not when the whole set was deleted since it was seen held',
        false,
        memory => {
          memory.transact([
            { Verb: 'set', Key: keys.partition('0'), Value: '' },
            { Verb: 'set', Key: keys.lock('0'), Value: Buffer.from(clean).toString('base64') },
          ])
          return wiped
        },
      ],
      [
        'is not when it was seen held at this very creation: a backup was restored',
        false,
        memory => {
          memory.put(keys.partition('0'), '')
          return memory.put(keys.lock('0'), clean)
        },
      ],
      [
        'is when it was given back since',
        true,
        memory => {
          memory.put(keys.partition('0'), '')
          const session = memory.session('s2', 'b')
          const index = memory.lock(keys.lock('0'), session, '{}')
          const Value = Buffer.from(clean).toString('base64')
          memory.transact([{ Verb: 'unlock', Key: keys.lock('0'), Session: session, Value }])
          return index
        },
      ],
    ]
  for (const [what, isClean, prepare] of cases) {
    it(what, async t => {
      const { consul, memory } = await fakeConsul(t)
      const files = stateOf(t)
      memory.put(keys.revision, '{}')
      memory.nodes.set('a', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
      const index = prepare(memory)
      if (index !== null) writeFact(files.seenHeld, seenHeldText(seen(['0', index])))
      const snapshot = await takeSnapshot(
        consul,
        me,
        { definition, digest },
        files,
        settingsFrom(null, defaults).settings,
      )
      assert.equal(snapshot.locks.get('0')?.clean, isClean)
      assert.deepEqual([...snapshot.free.keys()], isClean ? [] : ['0'])
      assert.deepEqual(snapshot.seenHeld, isClean ? seen() : seen(['0', index as number]))
    })
  }
})
