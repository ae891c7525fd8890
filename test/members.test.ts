import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Registered } from '../lib/consul/health.ts'
import type { Entry } from '../lib/consul/kv.ts'
import {
  hindrancesFrom,
  type Member,
  membersFrom,
  memberValue,
  rostersFrom,
  rosterVersion,
} from '../lib/keys/member.ts'
import { defaults, type Settings } from '../lib/keys/settings.ts'
import { withUnprepared } from '../lib/keys/versions.ts'
import { definition, locks, me, memberOne, other, registeredOne, sessionOf } from './fixtures/cluster.ts'

const prefix = 'watchbill/svc/member/'

function entry(instance: string, over: Partial<Entry> = {}): Entry {
  const value = memberValue(instance.split(':')[0] as string, definition, 'digest of the definition')
  const indexes = { createIndex: 1, modifyIndex: 1, lockIndex: 1 }
  return { key: `${prefix}${instance}`, value, session: sessionOf(instance), ...indexes, ...over }
}

const one = (over: Partial<Entry> = {}, registered: readonly Registered[] = [registeredOne(me)], settings = defaults) =>
  membersFrom([entry(me, over)], prefix, registered, settings)[0]

/** A key that says nothing of what newer releases know. */
function olderOne(over: Partial<Member> = {}): Omit<Member, 'rolls'> {
  const { rolls: _, ...one } = memberOne(me, { roster: 1, counts: false, ...over })
  return one
}

describe('a member', () => {
  it('is what its own key says of it', () => assert.deepEqual(one(), memberOne(me)))

  it('is no newcomer when it came with something that runs', () => {
    const value = memberValue('a', definition, 'digest of the definition', { holds: true })
    assert.deepEqual(one({ value }), memberOne(me, { holds: true }))
  })

  it('has the title of its definition, unless what stands there can be none', () => {
    const titled = memberValue('a', { ...definition, title: 'Kafka Consumer' }, 'digest of the definition')
    assert.deepEqual(one({ value: titled }), memberOne(me, { title: 'Kafka Consumer' }))
    for (const title of ['', 'a\nb', 'a\u001b[2J', 'x'.repeat(201), 7, null]) {
      const value = JSON.stringify({ ...JSON.parse(titled), title })
      assert.deepEqual(one({ value }), memberOne(me))
    }
  })

  it('is nobody without a session that holds its key', () => assert.equal(one({ session: null }), undefined))

  it('is nobody under a key that no instance has', () => {
    assert.equal(one({ key: `${prefix}a/b` }), undefined)
    assert.equal(one({ key: prefix }), undefined)
  })

  it('has its name decoded', () => assert.equal(one({ key: `${prefix}n%20x:svc` })?.instance, 'n x:svc'))

  const absences: [string, readonly Registered[], string[], unknown][] = [
    ['in full when its checks pass', [registeredOne(me)], [], null],
    ['absent when it is drained', [registeredOne(me)], [me], 'drained'],
    ['absent when it is not registered', [registeredOne(other)], [], 'not registered'],
    ['absent in maintenance', [registeredOne(me, { maintenance: true })], [], 'in maintenance'],
    ['absent when it is not passing', [registeredOne(me, { passing: false })], [], 'not passing'],
    [
      'in maintenance rather than not passing',
      [registeredOne(me, { maintenance: true, passing: false })],
      [],
      'in maintenance',
    ],
    ['drained rather than anything else', [], [me], 'drained'],
    ['not drained because another is', [registeredOne(me)], [other], null],
  ]
  for (const [what, registered, drained, absence] of absences) {
    it(`is ${what}`, () => assert.equal(one({}, registered, { drained, held: [], epoch: 0 })?.absence, absence))
  }

  for (const value of [null, '', '{', 'null', '"text"', '[]', '5']) {
    it(`counts like an ordinary one when its value is ${value}`, () => {
      assert.deepEqual(one({ value }), olderOne({ node: '', digest: '' }))
    })
  }

  it('counts like an ordinary one in each field that is garbled', () => {
    const value = {
      node: 'a',
      weight: -1,
      maxPartitions: 'all',
      lease: null,
      grace: 'x',
      definition: 'digest of the definition',
      roster: 0,
    }
    assert.deepEqual(one({ value: JSON.stringify(value) }), olderOne())
  })

  it('counts like an ordinary one with numbers that no definition has', () => {
    for (const odd of [{ weight: 1e308 }, { weight: 1_000_001 }, { maxPartitions: 0.5 }, { maxPartitions: 1e300 }]) {
      const value = { node: 'a', definition: 'digest of the definition', ...odd }
      assert.deepEqual(one({ value: JSON.stringify(value) }), olderOne(), JSON.stringify(odd))
    }
  })

  it('stops nobody with what cannot be made a text', () => {
    const odd = { toString: 1 }
    const found = one({ value: JSON.stringify({ node: odd, definition: odd, shared: odd }) })
    assert.deepEqual([found?.instance, found?.node, found?.digest, found?.shared], [me, '', '', ''])
  })

  it('keeps its weight, its limit and its times', () => {
    const value = { node: 'a', weight: 2.5, maxPartitions: 4, lease: 20_000, grace: 1, definition: 'd', roster: 1 }
    const found = one({ value: JSON.stringify(value) })
    const expected = { weight: 2.5, maxPartitions: 4, lease: 20_000, grace: 1, digest: 'd' }
    assert.deepEqual(found, olderOne(expected))
  })
})

it('writes a value that tells the next definition from this one', () => {
  assert.notEqual(memberValue('a', definition, 'one'), memberValue('a', definition, 'two'))
})

describe('the version of the roster that counts', () => {
  const said = (over: Partial<Entry>, registered = [registeredOne(me)]) =>
    rostersFrom([entry(me, over)], prefix, registered).get(me)

  it('is what the member key says', () => assert.equal(said({}), rosterVersion))
  it('is 1 where that is garbled: everyone knows that one', () => {
    for (const roster of [undefined, null, 0, -1, 1.5, '2', 1e300]) {
      assert.equal(said({ value: JSON.stringify({ roster }) }), 1, String(roster))
    }
  })
  it('is also that of one that is absent, or on its way out', () => {
    assert.equal(said({}, []), rosterVersion)
    assert.equal(said({ value: memberValue('a', definition, 'd', { leaving: true }) }), rosterVersion)
  })
  it('is also that of one whose session is gone, while it is registered: it may be back at any time', () => {
    const dead = [registeredOne(me, { nodeAlive: false, passing: false })]
    assert.equal(said({ session: null, value: '{"roster":1}' }, dead), 1)
    assert.equal(said({ session: null, value: '{"roster":1}' }, []), undefined)
  })
})

it('writes a digest in which a release that does not compare versions does not find its own', () => {
  const { definition: written } = JSON.parse(memberValue('a', definition, 'digest'))
  assert.notEqual(written, 'digest')
})

describe('why an instance says that it leaves', () => {
  const rows: [value: string, why: string | null][] = [
    ['{"leaving":true,"why":"cannot write"}', 'cannot write'],
    ['{"leaving":true}', null],
    ['{"why":"cannot write"}', null],
    ['{"leaving":true,"why":5}', null],
    ['garbage', null],
  ]
  for (const [value, why] of rows) {
    it(`is ${why} when its member key says ${value}, with a session or without`, () => {
      for (const session of ['s', null]) {
        assert.equal(hindrancesFrom([entry(me, { value, session })], prefix).get(me) ?? null, why)
      }
    })
  }
})

describe('the versions of an instance', () => {
  const versions = { pattern: '^\\d+$', prepare: ['./prepare'], keep: 2, timeoutMs: 1000 }
  const own = { prepared: ['1', '2'], failed: { version: '3', why: 'exit 1', of: 'roll.0' } }

  it('are what its member key says', () => {
    const value = memberValue('a', { ...definition, versions }, 'digest of the definition', { own })
    assert.deepEqual(one({ value })?.versions, { pattern: '^\\d+$', ...own })
  })

  it('need no preparation where its definition has no command for that', () => {
    const { prepare: _, ...plain } = versions
    const value = memberValue('a', { ...definition, versions: { ...plain, first: '7' } }, 'd', { own })
    assert.deepEqual(one({ value })?.versions, { pattern: '^\\d+$', first: '7', prepared: null })
  })

  it('are none where they are garbled', () => {
    for (const odd of [null, 5, 'x', [], {}, { pattern: 7 }])
      assert.equal(one({ value: JSON.stringify({ versions: odd }) })?.versions, undefined)
    const value = JSON.stringify({ versions: { pattern: 'x', prepared: ['1', '../2', 3], failed: { version: '-x' } } })
    assert.deepEqual(one({ value })?.versions, { pattern: 'x', prepared: ['1'] })
  })

  const ready = (prepared: string[] | null, first?: string) => ({
    versions: { pattern: '^.$', prepared, ...(first !== undefined && { first }) },
  })
  const rows: [what: string, prepared: string[] | null, settings: Partial<Settings>, absence: string | null][] = [
    ['takes part while no version is in force', [], {}, null],
    ['takes nothing before it has prepared the version in force', ['1'], { version: '2' }, 'not prepared'],
    ['takes part once it has', ['1', '2'], { version: '2' }, null],
    ['takes part where nothing has to be prepared', null, { version: '2' }, null],
    [
      'takes nothing before it has prepared the version of some partitions',
      ['2'],
      { version: '2', only: [{ partitions: 'a*', version: '3' }] },
      'not prepared',
    ],
    ['takes part while all prepare the next one', ['2'], { version: '2', roll: { id: 'r', to: '3' } }, null],
    [
      'takes nothing before it has prepared the next one, once the others have',
      ['2'],
      { version: '2', roll: { id: 'r', to: '3', ready: true } },
      'not prepared',
    ],
  ]
  for (const [what, prepared, settings, absence] of rows)
    it(`decide that it ${what}`, () => {
      const all = [memberOne(me, ready(prepared))]
      assert.equal(withUnprepared(all, new Map(), { ...defaults, ...settings })[0]?.absence, absence)
    })

  it('count where its definition says the first one, too', () => {
    assert.equal(withUnprepared([memberOne(me, ready([], '1'))], new Map(), defaults)[0]?.absence, 'not prepared')
  })

  it('take nothing away from one that holds something', () => {
    const all = [memberOne(me, ready(['1'])), memberOne(other, ready(['1']))]
    const found = withUnprepared(all, new Map([['0', locks.held(me)]]), { ...defaults, version: '2' })
    assert.deepEqual(
      found.map(({ absence }) => absence),
      [null, 'not prepared'],
    )
  })
})
