import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Report } from '../lib/keys/report.ts'
import { knownServices } from '../lib/keys/services.ts'
import type { Cluster } from '../lib/look/cluster.ts'
import { page } from '../lib/operate/status/page.ts'
import type { PartitionStatus } from '../lib/operate/status/partitions.ts'
import { readStatus, statusOf } from '../lib/operate/status/status.ts'
import { clusterOf, heldBy, locks, me, memberOne, other, registeredOne, third } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'

const alone = { members: [memberOne(me)] }
const drained = { members: [memberOne(me, { absence: 'drained' })] }
const lock = (one: ReturnType<typeof locks.held>) => ({ locks: new Map([['0', one]]) })

function partition(over: Partial<Cluster>, reports: Record<string, Report> = {}): PartitionStatus {
  const status = statusOf(clusterOf({ partitions: new Set(['0']), ...over }), new Map(Object.entries(reports)))
  return status.partitions[0] as PartitionStatus
}

interface Case {
  readonly what: string
  readonly over: Partial<Cluster>
  readonly reports?: Record<string, Report>
  readonly state: PartitionStatus['state']
  readonly why: string
  readonly instance?: string | null
}

const held = lock(locks.held(me))
const handHeld = { drained: [], held: ['0'], epoch: 0 }
const cases: Case[] = [
  { what: 'held by whom it is for', over: { ...alone, ...held }, state: 'running', why: '', instance: me },
  {
    what: 'held by whom it is for, who waits for it no longer',
    over: { ...alone, ...held },
    reports: { [me]: { 0: `takeover by ${me} at …` } },
    state: 'running',
    why: '',
    instance: me,
  },
  {
    what: 'what its holder says is crash-looping',
    over: { ...alone, ...held },
    reports: { [me]: { 0: 'crash-looping since 1767225600: exit 1' } },
    state: 'crash-looping',
    why: 'since 2026-01-01T00:00:00Z: exit 1; on a: watchbill logs svc 0',
    instance: me,
  },
  {
    what: 'what its holder says has finished',
    over: { ...alone, ...held },
    reports: { [me]: { 0: 'finished: exit 0' } },
    state: 'finished',
    why: 'exit 0',
    instance: me,
  },
  {
    what: 'what its holder says something else of',
    over: { ...alone, ...held },
    reports: { [me]: { 0: 'cannot start: spawn ENOENT' } },
    state: 'failing',
    why: 'cannot start: spawn ENOENT',
    instance: me,
  },
  {
    what: 'what another says something of',
    over: { ...alone, ...held },
    reports: { [other]: { 0: 'finished: exit 0' } },
    state: 'running',
    why: '',
    instance: me,
  },
  {
    what: 'held by one that is drained, with another to take it',
    over: { members: [memberOne(me, { absence: 'drained' }), memberOne(other)], ...held },
    state: 'moving',
    why: `to ${other}: ${me} is drained`,
    instance: me,
  },
  {
    what: 'held by one whose worker has not confirmed yet',
    over: { members: [memberOne(me, { absence: 'drained' }), memberOne(other)], ...held },
    reports: { [me]: { 0: 'waits for the worker to confirm that it stopped' } },
    state: 'moving',
    why: `to ${other}: ${me} is drained; waits for the worker to confirm that it stopped`,
    instance: me,
  },
  {
    what: 'held by one that is drained, with nobody to take it',
    over: { ...drained, ...held },
    state: 'drained',
    why: `being stopped: ${me} is drained; watchbill drain svc ${me} off`,
    instance: me,
  },
  {
    what: 'held by one that is not passing, with nobody to take it',
    over: { members: [memberOne(me, { absence: 'not passing' })], ...held },
    state: 'unassigned',
    why: `it stops when the lease is over: ${me} is not passing, and there is no other member`,
    instance: me,
  },
  {
    what: 'held by one that leaves, with nobody to take it',
    over: { members: [memberOne(me, { absence: 'leaving' })], ...held },
    state: 'unassigned',
    why: `being stopped: ${me} is leaving, and there is no other member`,
    instance: me,
  },
  {
    what: 'held by one whose process nothing ends',
    over: { ...alone, ...held },
    reports: { [me]: { 0: 'waits for its process to end: SIGKILL did not help' } },
    state: 'failing',
    why: 'waits for its process to end: SIGKILL did not help',
    instance: me,
  },
  {
    what: 'held by a session that nobody takes part with',
    over: { ...alone, ...lock(locks.held(third)) },
    state: 'moving',
    why: `to ${me}`,
    instance: third,
  },
  {
    what: 'held by nobody knows whom',
    over: { ...alone, ...lock(locks.held(third, { held: null })) },
    state: 'moving',
    why: `to ${me}`,
    instance: null,
  },
  {
    what: 'held, but no longer in the set',
    over: { ...held, partitions: new Set() },
    state: 'removed',
    why: 'no longer in the set; being stopped',
    instance: me,
  },
  {
    what: 'free, and no longer in the set',
    over: { ...lock(locks.clean()), partitions: new Set() },
    state: 'removed',
    why: 'no longer in the set; its lock is being deleted',
  },
  {
    what: 'free, of a service that nobody runs any more',
    over: { ...lock(locks.clean()), partitions: new Set(), members: [] },
    state: 'removed',
    why: 'no longer in the set; no instance is there to delete its lock: watchbill purge svc does, where the service is gone for good',
  },
  { what: 'free and clean', over: { ...alone, ...lock(locks.clean()) }, state: 'starting', why: `on ${me}` },
  {
    what: 'free and unclean, with W of its last holder',
    over: { ...alone, ...lock(locks.unclean(other, { held: heldBy(other, { lease: 20_000 }) })) },
    state: 'waiting',
    why: `takeover by ${me} within 24 s`,
  },
  {
    what: 'free and garbled, with the longest W of the members',
    over: { members: [memberOne(me, { grace: 6000 })], ...lock(locks.garbled()) },
    state: 'waiting',
    why: `takeover by ${me} within 17 s`,
  },
  { what: 'missing', over: alone, state: 'waiting', why: `takeover by ${me} within 14 s` },
  {
    what: 'free, in the words of whom it is for',
    over: { ...alone, ...lock(locks.unclean(other)) },
    reports: { [me]: { 0: `takeover by ${me} at noon` } },
    state: 'waiting',
    why: `takeover by ${me} at noon`,
  },
  {
    what: 'free with nobody there',
    over: { members: [], ...lock(locks.clean()) },
    state: 'unassigned',
    why: 'no instance takes part; on a machine with its definition: watchbill configure, then consul reload',
  },
  {
    what: 'free with only drained ones there',
    over: { ...drained, ...lock(locks.clean()) },
    state: 'drained',
    why: `${me} is drained; watchbill drain svc ${me} off`,
  },
  {
    what: 'free with one drained and one not passing',
    over: {
      members: [memberOne(me, { absence: 'drained' }), memberOne(other, { absence: 'not passing' })],
      ...lock(locks.clean()),
    },
    state: 'unassigned',
    why: `${me} is drained, ${other} is not passing; watchbill drain svc ${me} off`,
  },
  {
    what: 'held by hand, and still held by its last holder',
    over: { ...alone, ...held, settings: handHeld },
    state: 'held',
    why: 'being stopped, by hand',
    instance: me,
  },
  {
    what: 'held by hand, and free',
    over: { ...alone, ...lock(locks.clean()), settings: handHeld },
    state: 'held',
    why: 'stopped by hand; watchbill unhold svc 0 brings it back',
  },
  {
    what: 'held by hand, and was lost',
    over: { ...alone, ...lock(locks.unclean(other)), settings: handHeld },
    state: 'held',
    why: 'stopped by hand; watchbill unhold svc 0 brings it back',
  },
  {
    what: 'one too many for those that are there',
    over: {
      members: [memberOne(me, { maxPartitions: 1 }), memberOne(other, { absence: 'drained' })],
      partitions: new Set(['0', '1']),
      locks: new Map([
        ['0', locks.clean()],
        ['1', locks.held(me)],
      ]),
    },
    state: 'unassigned',
    why: `every member has its maxPartitions: raise it, or add an instance; ${other} is drained; watchbill drain svc ${other} off`,
  },
  {
    what: 'one too many for all members',
    over: {
      members: [memberOne(me, { maxPartitions: 1 })],
      partitions: new Set(['0', '1']),
      locks: new Map([
        ['0', locks.clean()],
        ['1', locks.held(me)],
      ]),
    },
    state: 'unassigned',
    why: 'every member has its maxPartitions: raise it, or add an instance',
  },
]

describe('a partition', () => {
  for (const { what, over, reports, state, why, instance = null } of cases) {
    it(`is ${state} when it is ${what}`, () => {
      const since =
        instance === null || (instance === third && !over.locks?.get('0')?.held) ? null : '2026-01-01T00:00:00Z'
      assert.deepEqual(partition(over, reports), {
        partition: '0',
        instance,
        state,
        why,
        since,
        dns: null,
        health: null,
      })
    })
  }
})

it('a command that status names can be typed as it is, whatever the id holds', () => {
  const id = 'x; rm -r ~'
  const over = { partitions: new Set([id]), locks: new Map([[id, locks.clean()]]) }
  const { partitions } = statusOf(clusterOf({ ...alone, ...over, settings: { ...handHeld, held: [id] } }), new Map())
  assert.equal(partitions[0]?.why, "stopped by hand; watchbill unhold svc 'x; rm -r ~' brings it back")
})

describe('an instance', () => {
  it('is told with what it holds, is to have, and weighs', () => {
    const { instances } = statusOf(clusterOf({ ...alone, ...held, members: [memberOne(me, { weight: 2 })] }), new Map())
    const shown = { instance: me, state: 'member', held: 1, assigned: 2, weight: 2, why: '', figures: null }
    assert.deepEqual(instances, [shown])
  })

  const states: [string, Partial<Cluster>, string][] = [
    ['drained', drained, 'drained'],
    ['in maintenance', { members: [memberOne(me, { absence: 'in maintenance' })] }, 'in maintenance'],
    ['not registered any more', { members: [memberOne(me, { absence: 'not registered' })] }, 'not registered'],
    ['registered and passing, without a session', { members: [], registered: [registeredOne(me)] }, 'joining'],
    [
      'registered and not passing, without a session',
      { members: [], registered: [registeredOne(me, { passing: false })] },
      'not passing',
    ],
  ]
  for (const [what, over, state] of states) {
    it(`that is ${what} is ${state}, and is to have nothing`, () => {
      const one = statusOf(clusterOf(over), new Map()).instances[0]
      assert.deepEqual([one?.state, one?.assigned], [state, 0])
    })
  }

  it('is listed once, by name', () => {
    const over = {
      members: [memberOne(other)],
      registered: [registeredOne(third), registeredOne(other), registeredOne(me)],
    }
    assert.deepEqual(
      statusOf(clusterOf(over), new Map()).instances.map(({ instance }) => instance),
      [me, other, third],
    )
  })
})

describe('a service', () => {
  const both = new Map([
    ['0', locks.held(me)],
    ['1', locks.held(me)],
  ])

  it('is ok when every partition runs or has finished', () => {
    const reports = new Map([[me, { 1: 'finished: exit 0' }]])
    const { ok, summary, problem } = statusOf(clusterOf({ ...alone, locks: both }), reports)
    assert.deepEqual([ok, problem], [true, null])
    assert.equal(summary, 'svc: 2 partitions on 1 members; 1 running, 1 finished')
  })

  it('is called what its definition says, beside its name', () => {
    const members = [memberOne(me, { title: 'Kafka Consumer' })]
    const { summary, title } = statusOf(clusterOf({ ...alone, members, locks: both }), new Map())
    assert.deepEqual([title, summary], ['Kafka Consumer', 'svc (Kafka Consumer): 2 partitions on 1 members; 2 running'])
    assert.equal(statusOf(clusterOf({ ...alone, locks: both }), new Map()).title, null)
  })

  it('is ok when a partition is held by hand, once it is stopped', () => {
    const settings = { drained: [], held: ['1'], epoch: 0 }
    const stopped = new Map([...both, ['1', locks.clean()] as const])
    const { ok, summary } = statusOf(clusterOf({ ...alone, locks: stopped, settings }), new Map())
    assert.deepEqual([ok, summary], [true, 'svc: 2 partitions on 1 members; 1 running, 1 held'])
    assert.equal(statusOf(clusterOf({ ...alone, locks: both, settings }), new Map()).ok, false)
  })

  it('is ok with no partitions at all, if that was said', () => {
    assert.equal(statusOf(clusterOf({ partitions: new Set() }), new Map()).ok, true)
  })

  const settingsGarbled = `watchbill/svc/spec/settings is garbled: garbled; each instance goes on with the last good ones; write it anew: consul kv put watchbill/svc/spec/settings '{"drained":[],"held":[],"epoch":0}'`
  const bad: [string, Partial<Cluster>, RegExp][] = [
    ['when a partition does not run', { ...alone, ...held }, /1 running, 1 waiting/],
    [
      'when nobody has written a partition set',
      { defined: false, partitions: new Set() },
      /nobody has written a partition set yet/,
    ],
    ['when the settings are garbled', { ...alone, locks: both, settingsProblem: 'garbled' }, /2 running/],
  ]
  for (const [what, over, summary] of bad) {
    it(`is not ok ${what}`, () => {
      const status = statusOf(clusterOf(over), new Map())
      assert.equal(status.ok, false)
      assert.match(status.summary, summary)
      assert.equal(status.problem, over.settingsProblem ? settingsGarbled : null)
    })
  }

  it('is not ok when an instance can do nothing, and says why', () => {
    const why = 'cannot hand over: missing permission: session:write on a'
    const reports = new Map([[me, { '': why }]])
    const status = statusOf(clusterOf({ ...alone, locks: both }), reports)
    assert.deepEqual([status.ok, status.problem, status.instances[0]?.why], [false, `${me} ${why}`, why])
  })

  it('is not ok when an instance cannot write its lease, and says why, with its session and without', () => {
    const why = 'cannot write /state/lease: EROFS'
    for (const members of [[memberOne(me, { absence: 'leaving' }), memberOne(other)], [memberOne(other)]]) {
      const registered = [registeredOne(me, { passing: false }), registeredOne(other)]
      const status = statusOf(clusterOf({ members, registered, hindrances: new Map([[me, why]]) }), new Map())
      assert.deepEqual([status.ok, status.problem, status.instances[0]?.why], [false, `${me} ${why}`, why])
    }
  })

  it('tells its partitions by number, not by letter', () => {
    const { partitions } = statusOf(clusterOf({ partitions: new Set(['10', '9', 'a']) }), new Map())
    assert.deepEqual(
      partitions.map(({ partition }) => partition),
      ['9', '10', 'a'],
    )
  })

  it('that nobody has heard of is told from one with nothing to run', async t => {
    const fake = await fakeConsul(t)
    fake.script = ({ path }) => (path.startsWith('/v1/health/') ? { text: [] } : undefined)
    assert.equal((await readStatus(fake.consul, 'svc')).ok, false)
  })

  it('is not told from half an answer', async t => {
    const fake = await fakeConsul(t)
    fake.script = ({ path }) => (path.startsWith('/v1/health/') ? { text: null } : undefined)
    await assert.rejects(readStatus(fake.consul, 'svc'), { name: 'Temporary' })
  })
})

it('the services that are kept are those with keys of their own', async t => {
  const { consul, memory } = await fakeConsul(t)
  for (const key of ['watchbill/b/spec/revision', 'watchbill/a%20b/lock/0', 'watchbill/b/lock/0', 'watchbill/%2e/x'])
    memory.put(key, '')
  assert.deepEqual(await knownServices(consul), ['a b', 'b'])
})

it('a source that fails is a problem of the service, and of no partition', () => {
  const duty = { by: me, problem: 'cannot fetch it: status 500', since: '2026-01-01T00:00:00Z', answer: null }
  const { ok, problem, source, partitions } = statusOf(clusterOf({ ...alone, ...held }), new Map(), new Map(), duty)
  const why = 'cannot fetch it: status 500 (since 2026-01-01T00:00:00Z; the last good set stays in force)'
  assert.deepEqual([ok, problem, source?.by, partitions[0]?.state], [false, why, me, 'running'])
  assert.equal(statusOf(clusterOf(), new Map(), new Map(), { ...duty, problem: null, since: null }).problem, null)
})

it('ids that newer agents refuse are to be renamed before there is one, and that is no problem yet', () => {
  const of = (over: Partial<Cluster>) =>
    statusOf(
      clusterOf({ ...alone, partitions: new Set(['x y']), locks: new Map([['x y', locks.held(me)]]), ...over }),
      new Map(),
    )
  const before = of({})
  assert.deepEqual([before.ok, before.problem, before.partitions[0]?.state], [true, null, 'running'])
  assert.match(String(before.advice), /1\.22 or later.*"x y", rename it: watchbill partitions svc rename 'x y' x-y$/)
  const after = of({ unusable: new Set(['x y']) })
  assert.deepEqual([after.ok, after.partitions[0]?.state], [false, 'failing'])
  assert.match(String(after.partitions[0]?.why), /^key refused: .* take no key that holds a space; rename it: /)
  assert.equal(of({ partitions: new Set(['0']), locks: new Map() }).advice, null)
})

describe('what instances publish of themselves', () => {
  const summary = {
    ...{ at: '2026-01-01T00:00:00.000Z', partitions: 1, cpu: 0.1, memory: 3_145_728, restarts: 4 },
    ...{ tick: 60, margin: 7400, consul: 5, partition: {} },
  }
  const row = { index: 100, startedFor: 60_000, readyFor: 30_000, restarts: 4 }
  const health = { at: '2026-01-01T00:01:00.000Z', leftOut: 0, partitions: new Map([['0', row]]) }
  const published = {
    summaries: new Map([[me, summary]]),
    health: new Map([[me, { health, index: 900 }]]),
  }
  const of = (over: Partial<Cluster>) =>
    statusOf(
      clusterOf({ partitions: new Set(['0']), ...over }),
      new Map(),
      new Map(),
      undefined,
      new Map(),
      undefined,
      published,
    )

  it('is in the status: the figures of each instance', () => {
    const { tick: _, consul: __, partition: ___, ...shown } = summary
    const { instances } = of({ ...held, members: [memberOne(me), memberOne(other)] })
    assert.deepEqual(
      instances.map(({ figures }) => figures),
      [shown, null],
    )
    const [, head, first, second] = page(of({ ...held, members: [memberOne(me), memberOne(other)] }))
    assert.match(head ?? '', /WEIGHT +RESTARTS +MEMORY +MARGIN ms$/)
    assert.match(first ?? '', / 4 +3\.0 MiB +7400$/)
    assert.match(second ?? '', / - +- +-$/)
  })

  it('is in the status: since when each partition is ready', () => {
    const { partitions } = of({ ...alone, ...held })
    const [started, ready] = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:30.000Z']
    assert.deepEqual(partitions[0]?.health, { started, ready, restarts: 4 })
  })

  it('does not count for a later acquisition', () => {
    const { partitions } = of({ ...alone, ...lock(locks.held(me, { modifyIndex: 101 })) })
    assert.equal(partitions[0]?.health, null)
  })

  it('adds no column where nobody says anything', () => {
    assert.match(page(statusOf(clusterOf(held), new Map()))[1] ?? '', /WEIGHT$/)
  })

  it('hides nothing else where the token may not read it', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put('watchbill/svc/spec/revision', '{}')
    memory.put('watchbill/svc/partition/0', '{}')
    memory.denied = key => key.startsWith('watchbill/.')
    const { partitions } = await readStatus(consul, 'svc')
    assert.deepEqual(
      partitions.map(({ partition, health }) => [partition, health]),
      [['0', null]],
    )
  })
})
