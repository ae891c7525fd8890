import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { longestWait } from '../../lib/keys/lock.ts'
import { leaveTerms, longest, readTerms, rememberedTerms, termsLeft, termsText } from '../../lib/keys/terms.ts'
import { takeSnapshot } from '../../lib/look/snapshot.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { clusterOf, definition, digest, locks, me, other, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { stateOf } from '../fixtures/state.ts'

const { keys } = snapshotOf()
const terms = (lease: number, grace: number) => ({ lease, grace })
const own = terms(10_000, 3000)
const long = terms(25_000, 8000)

describe('the terms that an instance remembers', () => {
  const both = (zero: ReturnType<typeof locks.held>, one = locks.clean()) => ({
    locks: new Map([
      ['0', zero],
      ['1', one],
    ]),
  })
  const ofOther = locks.held(other)
  const cases: [string, before: typeof own, Parameters<typeof clusterOf>[0], after: typeof own][] = [
    ['are its own at first', terms(0, 0), both(locks.clean()), own],
    ['grow with a member', own, { ...both(ofOther), terms: [own, long] }, long],
    [
      'grow with what a lock says',
      own,
      both({ ...ofOther, held: { ...(ofOther.held as object), ...long } as never }),
      long,
    ],
    ['are forgotten when every lock is given back, or held by who tells its own', long, both(ofOther), own],
    ['stay while a lock is lost by its holder', long, both(locks.unclean(other)), long],
    ['stay while a lock tells nothing', long, both(locks.garbled()), long],
    ['stay while a held lock tells nothing', long, both(locks.held(other, { held: null })), long],
    ['stay while a lock is missing', long, { locks: new Map([['0', ofOther]]) }, long],
    ['stay while an instance is lost', long, { ...both(ofOther), lost: new Map([[other, 7]]) }, long],
    ['stay while there is no set', long, { defined: false, partitions: new Set<string>() }, long],
    [
      'never are longer than any wait',
      own,
      { ...both(ofOther), terms: [terms(1e12, 1e300)] },
      terms(longestWait, longestWait),
    ],
  ]
  for (const [what, before, over, after] of cases) {
    it(what, () => assert.deepEqual(rememberedTerms(before, clusterOf({ terms: [own], ...over }), own), after))
  }

  it('stand in its state directory, and hold for locks of which nobody knows whose they were', async t => {
    const { consul, memory } = await fakeConsul(t)
    const files = stateOf(t)
    assert.deepEqual(readTerms(files.terms), terms(0, 0))
    writeFact(files.terms, termsText(long))
    assert.deepEqual(readTerms(files.terms), long)
    memory.nodes.set('a', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    const { settings } = snapshotOf()
    const snapshot = await takeSnapshot(consul, me, { definition, digest }, files, settings)
    assert.deepEqual([snapshot.longestTerms, longest(snapshot.terms)], [long, long])
  })
})

describe('the terms that are left in Consul', () => {
  it('are the longest that anybody left', async t => {
    const { consul, memory } = await fakeConsul(t)
    await leaveTerms(consul, keys, terms(0, 0))
    assert.equal(memory.keys.has(keys.terms), false)
    await leaveTerms(consul, keys, terms(25_000, 1000))
    await leaveTerms(consul, keys, terms(5000, 8000))
    assert.deepEqual(memory.value(keys.terms), long)
    const index = memory.index
    await leaveTerms(consul, keys, own)
    assert.equal(memory.index, index, 'what is covered is not written again')
  })

  it('lose nothing to two who leave theirs at once', async t => {
    const { consul, memory } = await fakeConsul(t)
    await Promise.all([
      leaveTerms(consul, keys, terms(25_000, 1)),
      leaveTerms(consul.another(2000), keys, terms(1, 8000)),
    ])
    assert.deepEqual(memory.value(keys.terms), long)
  })

  for (const text of [
    null,
    '',
    '{}',
    '[]',
    '{"lease":1}',
    '{"lease":"1","grace":2}',
    '{"lease":-1,"grace":2}',
    '{"lease":1e300,"grace":1}',
  ]) {
    it(`are none when they say ${text}`, () => assert.deepEqual(termsLeft(text), []))
  }

  it('hold for whoever looks', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.terms, JSON.stringify(long))
    memory.nodes.set('a', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    const snapshot = await takeSnapshot(consul, me, { definition, digest }, stateOf(t), snapshotOf().settings)
    assert.deepEqual(longest(snapshot.terms), long)
  })
})
