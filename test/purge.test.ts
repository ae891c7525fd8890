import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keysOf } from '../lib/base/names.ts'
import type { Cluster } from '../lib/look/cluster.ts'
import { mustBeGone, purge, purgeable, uncleanIn } from '../lib/operate/purge.ts'
import { clusterOf, heldBy, locks, me, memberOne, other, registeredOne } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import type { ConsulModel } from './model/consul.ts'

const keys = keysOf('svc')
const nobody = { members: [], registered: [] }

describe('a service is not purged', () => {
  const refused: [string, Partial<Cluster>, RegExp][] = [
    [
      'while an instance takes part',
      { members: [memberOne(me)], registered: [] },
      /a:svc is there; run watchbill leave svc/,
    ],
    [
      'while one is registered',
      { members: [], registered: [registeredOne(me)] },
      /a:svc is there; run watchbill leave/,
    ],
    [
      'while a dead one is registered: its machine may come back',
      { members: [], registered: [registeredOne(other, { passing: false, nodeAlive: false })] },
      /b:svc is registered, and its node is dead; run watchbill evict svc b:svc$/,
    ],
    [
      'while any session holds a lock',
      { ...nobody, locks: new Map([['0', locks.held(other)]]) },
      /0 is held by a session/,
    ],
  ]
  for (const [what, over, message] of refused)
    it(what, () => assert.throws(() => mustBeGone(clusterOf(over)), { name: 'Permanent', message }))

  it('but when all of that is over', () => mustBeGone(clusterOf({ ...nobody, locks: new Map([['0', locks.clean()]]) })))
})

it('whoever had a lock that was not given back may run until its takeover wait is over', () => {
  const held = { ...locks.unclean(other), held: heldBy(other, { lease: 20_000, grace: 4000 }) }
  const known = { terms: [{ lease: 10_000, grace: 3000 }], partitions: new Set(['0', '1', '2']) }
  const all = new Map([
    ['0', held],
    ['1', locks.clean()],
    ['3', { ...locks.unclean(other), held: null }],
  ])
  const waits = (over: object) =>
    uncleanIn({ ...known, locks: all, ...over }).map(({ partition, wait }) => [partition, wait])
  assert.deepEqual(waits({}), [
    ['0', 25_000],
    ['3', 14_000],
    ['2', 14_000],
  ])
  assert.deepEqual(waits({ terms: [] }).slice(1), [
    ['3', 300_000],
    ['2', 300_000],
  ])
})

it('everything below its key goes, and nothing beside it', async t => {
  const { consul, memory } = await fakeConsul(t)
  memory.put(keys.revision, '{}')
  memory.put(keys.partition('0'), '{"from":"hand"}')
  memory.put(keys.lock('0'), '{"clean":true}')
  memory.put(keys.lock('1'), JSON.stringify(heldBy(other, { lease: 300, grace: 100 })))
  memory.put(keys.member(other), '{}')
  memory.put('watchbill/svc2/spec/revision', '{}')
  assert.equal(await purgeable(consul, 'svc'), 5)
  const told: string[] = []
  const began = performance.now()
  assert.equal(await purge(consul, 'svc', line => told.push(line)), 5)
  assert.deepEqual(told, ['waits 1.4 s: 1 may run until then'])
  assert.ok(performance.now() - began >= 1400, 'the takeover wait')
  assert.deepEqual([...memory.keys.keys()], ['watchbill/svc2/spec/revision'])
})

it('what somebody writes meanwhile stays, and is told', async t => {
  const fake = await fakeConsul(t)
  fake.memory.put(keys.revision, '{}')
  fake.memory.put(keys.lock('0'), '{"clean":true}')
  fake.script = ({ operations }) => {
    if (operations.some(({ Verb }) => Verb === 'delete-cas')) {
      fake.script = () => undefined
      fake.memory.put(keys.lock('0'), JSON.stringify(heldBy(me)))
    }
    return undefined
  }
  await assert.rejects(
    purge(fake.consul, 'svc', () => {}),
    {
      name: 'Temporary',
      message: /^cannot purge svc: 1 keys were written meanwhile; see watchbill status svc, then try again$/,
    },
  )
  assert.equal(fake.memory.keys.has(keys.lock('0')), true)
})

describe('somebody who joins between the look and the deletion', () => {
  const joined: [what: string, join: (memory: ConsulModel) => void][] = [
    ['keeps the lock that it has taken', memory => memory.lock(keys.lock('0'), 'x', JSON.stringify(heldBy(me)))],
    ['keeps its member key', memory => memory.lock(keys.member(me), 'x', '{}')],
    [
      'and has lost its lock again, may still run',
      memory => {
        memory.lock(keys.lock('0'), 'x', JSON.stringify(heldBy(me)))
        memory.destroy('x')
      },
    ],
  ]
  for (const [what, join] of joined)
    it(what, async t => {
      const fake = await fakeConsul(t)
      fake.memory.put(keys.revision, '{}')
      fake.memory.put(keys.partition('0'), '{"from":"hand"}')
      fake.memory.put(keys.lock('0'), '{"clean":true}')
      fake.script = ({ operations }) => {
        if (operations.some(({ Key }) => Key === keys.root)) {
          fake.script = () => undefined
          fake.memory.session('x', 'a', 'watchbill a:svc')
          join(fake.memory)
        }
        return undefined
      }
      await assert.rejects(
        purge(fake.consul, 'svc', () => {}),
        { name: 'Temporary', message: /^cannot purge svc: somebody came back meanwhile; see watchbill status svc/ },
      )
      assert.deepEqual(
        [keys.revision, keys.partition('0'), keys.lock('0')].map(key => fake.memory.keys.has(key)),
        [true, true, true],
      )
    })
})
