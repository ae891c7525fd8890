/** How the set is brought to its number: by `watchbill scale`, by instances, and by a definition with a percentage. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { act } from '../../lib/act/act.ts'
import { keysOf } from '../../lib/base/names.ts'
import { transact } from '../../lib/consul/kv.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { type CountInForce, counting } from '../../lib/keys/count.ts'
import { bringTo } from '../../lib/keys/count-set.ts'
import { type Freeze, freezing } from '../../lib/keys/freeze.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { addPartitions, readPartitions } from '../../lib/keys/partition-set.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { numberStands } from '../../lib/look/stood.ts'
import { freezeByHand } from '../../lib/operate/freeze.ts'
import { scale, scaledWords, wantedBy } from '../../lib/operate/scale.ts'
import { thawByHand } from '../../lib/operate/thaw.ts'
import { plan } from '../../lib/plan/plan.ts'
import { readFact } from '../../lib/state/facts.ts'
import { definition, me, now, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'

const keys = keysOf('svc')
const ids = (count: number) => Array.from({ length: count }, (_, at) => String(at))

/** A service with so many partitions of its definition, and 15 by hand. */
async function service(t: TestContext, count = 10): Promise<FakeConsul> {
  const fake = await fakeConsul(t)
  const { consul, memory } = fake
  memory.session(sessionOf(me), 'a', `watchbill ${me}`)
  memory.nodes.set('a', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
  memory.lock(keys.member(me), sessionOf(me), memberValue('a', definition, 'digest'))
  if (count > 0)
    await addPartitions(
      consul,
      keys,
      ids(count).map(id => ({ id })),
      'definition',
    )
  if (count > 0) await addPartitions(consul, keys, [{ id: '15' }], 'hand')
  return fake
}

const setIn = async ({ consul }: FakeConsul) =>
  (await readPartitions(consul, keys)).map(({ id }) => id).sort((a, b) => Number(a) - Number(b))
const isClean = ({ memory }: FakeConsul, id: string) =>
  JSON.parse(Buffer.from(memory.keys.get(keys.lock(id))?.Value ?? '', 'base64').toString()).clean
const to = (number: number) => ({ kind: 'number', number }) as const

describe('watchbill scale', () => {
  it('removes the highest numbers first, and leaves what people added', async t => {
    const fake = await service(t)
    const done = await scale(fake.consul, 'svc', to(4), false)
    assert.deepEqual(await setIn(fake), ['0', '1', '2', '3', '15'])
    assert.deepEqual(done.removed, ['9', '8', '7', '6', '5', '4'])
    const deleted = fake.requests.flatMap(({ operations }) =>
      operations.flatMap(({ Verb, Key }) => (Verb === 'delete-cas' ? [Key.slice(keys.partitions.length)] : [])),
    )
    assert.deepEqual(deleted, ['9', '8', '7', '6', '5', '4'])
    assert.equal(scaledWords(done, false), 'svc: 4 partitions (it was 10); removed 9, 8, 7, 6, 5, 4')
  })

  it('says the same where an instance has removed them first', async t => {
    const fake = await service(t)
    const { memory } = fake
    fake.script = ({ operations }) => {
      const isRead = operations.some(({ Verb, Key }) => Verb === 'get' && Key === keys.number)
      const value = memory.keys.get(keys.number)?.Value
      if (!isRead || value == null || !memory.keys.has(keys.partition('9'))) return undefined
      for (const id of ids(10).slice(4)) memory.keys.delete(keys.partition(id))
      memory.put(keys.number, JSON.stringify({ ...JSON.parse(Buffer.from(value, 'base64').toString()), done: true }))
      return undefined
    }
    const done = await scale(fake.consul, 'svc', to(4), false)
    assert.equal(scaledWords(done, false), 'svc: 4 partitions (it was 10); removed 9, 8, 7, 6, 5, 4')
  })

  it('adds what lacks, with clean locks', async t => {
    const fake = await service(t)
    await scale(fake.consul, 'svc', to(18), false)
    assert.deepEqual(await setIn(fake), ids(18))
    assert.equal(isClean(fake, '17'), true)
  })

  it('changes nothing in a dry run', async t => {
    const fake = await service(t)
    assert.match(scaledWords(await scale(fake.consul, 'svc', to(12), true), true), /\(it was 10\); would add 10, 11$/)
    assert.equal(fake.memory.keys.has(keys.number), false)
    assert.deepEqual(await setIn(fake), [...ids(10), '15'])
  })

  it('adds up when two people add at once', async t => {
    const fake = await service(t)
    await scale(fake.consul, 'svc', to(20), false)
    const by = { kind: 'by', change: 2 } as const
    await Promise.all([scale(fake.consul, 'svc', by, false), scale(fake.consul, 'svc', by, false)])
    assert.deepEqual((await lookAtCluster(fake.consul, 'svc')).count?.number, 24)
    await scale(fake.consul, 'svc', { kind: 'by', change: 0 }, false)
    assert.deepEqual(await setIn(fake), ids(24))
  })

  it('as a percentage counts the members', async t => {
    const fake = await service(t)
    const share = { percent: 1250, of: 'weight', settleMs: 0 }
    assert.equal((await scale(fake.consul, 'svc', { kind: 'share', share }, false)).number, 13)
    const cores = { ...share, of: 'meta.cores' }
    await assert.rejects(
      scale(fake.consul, 'svc', { kind: 'share', share: cores }, false),
      /cannot scale svc: no member that takes its share has a number in meta.cores; /,
    )
  })

  it('is refused for names, for a source, and where a frozen service would shrink', async t => {
    const named = await service(t)
    await addPartitions(named.consul, keys, [{ id: 'eu' }], 'definition')
    await assert.rejects(scale(named.consul, 'svc', to(4), false), /its partitions have names \(eu\)/)
    const fetched = await service(t)
    fetched.memory.put(keys.duty('source'), '{"by":"a:svc"}')
    await assert.rejects(scale(fetched.consul, 'svc', to(4), false), /its partitions come from a source/)
    const frozen = await service(t)
    await transact(frozen.consul, freezing(keys, null, { by: 'hand' }, ''))
    await assert.rejects(scale(frozen.consul, 'svc', to(4), false), /cannot scale svc down: it is frozen/)
    assert.equal((await scale(frozen.consul, 'svc', to(17), false)).number, 17)
    await assert.rejects(scale(frozen.consul, 'svc', { kind: 'by', change: -99 }, false), /give a number from 0 to/)
  })

  it('is refused while no set is written: what ran before all keys were deleted may still run', async t => {
    const fake = await service(t, 0)
    await assert.rejects(
      scale(fake.consul, 'svc', to(4), false),
      /cannot scale svc: its set of partitions is not written/,
    )
    assert.deepEqual([await setIn(fake), fake.memory.keys.has(keys.number)], [[], false])
  })

  it('is refused before the number is written where newer agents take no new partition of the service', async t => {
    const { consul, memory } = await fakeConsul(t)
    const spaced = keysOf('a service')
    memory.put(spaced.revision, '{}')
    await assert.rejects(scale(consul, 'a service', to(4), false), /cannot add 4 partitions: /)
    assert.equal(memory.keys.has(spaced.number), false)
  })

  it('is reset also where the partitions come from a source by now', async t => {
    const fake = await service(t)
    await scale(fake.consul, 'svc', to(12), false)
    fake.memory.put(keys.duty('source'), '{"by":"a:svc"}')
    assert.equal((await scale(fake.consul, 'svc', { kind: 'reset' }, false)).number, null)
    await looks(t, fake, { partitions: [], source: {} as never })
    const { count, partitions } = await lookAtCluster(fake.consul, 'svc')
    assert.deepEqual([count?.by, partitions.size], ['definition', 13])
  })

  it('is refused for names that came after a number was set', async t => {
    const fake = await service(t)
    await scale(fake.consul, 'svc', to(4), false)
    await addPartitions(fake.consul, keys, [{ id: 'eu' }], 'definition')
    await assert.rejects(scale(fake.consul, 'svc', to(6), false), /its partitions have names \(eu\)/)
    assert.equal((await scale(fake.consul, 'svc', { kind: 'reset' }, false)).number, null)
  })

  const words: [args: Parameters<typeof wantedBy>[0], wanted: unknown][] = [
    [{}, null],
    [{ to: '12' }, to(12)],
    [{ to: '7%' }, { kind: 'share', share: { percent: 7, of: 'weight', settleMs: 30_000 } }],
    [
      { to: '7.5%', of: 'meta.cores', settle: '2m' },
      { kind: 'share', share: { percent: 7.5, of: 'meta.cores', settleMs: 120_000 } },
    ],
    [{ by: '+2' }, { kind: 'by', change: 2 }],
    [{ by: '-2' }, { kind: 'by', change: -2 }],
    [{ reset: true }, { kind: 'reset' }],
  ]
  for (const [args, wanted] of words)
    it(`understands ${JSON.stringify(args)}`, () => assert.deepEqual(wantedBy(args), wanted))

  const wrong: Parameters<typeof wantedBy>[0][] = [
    ...[{ to: 'many' }, { to: '-1' }, { to: '1e3' }, { to: '0%' }, { to: '10001%' }, { to: '100001' }, { by: 'two' }],
    ...[
      { to: '4', by: '+1' },
      { to: '4', reset: true },
      { to: '4', of: 'weight' },
      { to: '4%', of: 'run' },
    ],
    { to: '4%', settle: 'soon' },
  ]
  for (const args of wrong)
    it(`refuses ${JSON.stringify(args)}`, () => assert.throws(() => wantedBy(args), /cannot read the arguments: /))
})

describe('the set', () => {
  const count = async ({ consul }: FakeConsul) => (await lookAtCluster(consul, 'svc')).count as CountInForce
  const put = async (fake: FakeConsul, over: Partial<CountInForce>) => {
    const value = {
      by: 'hand',
      number: 0,
      done: false,
      had: 0,
      share: null,
      clean: true,
      instance: null,
      since: '',
    } as const
    await transact(fake.consul, counting(keys, await count(fake), { ...value, ...over }))
  }

  it('is left alone once the number is another one', async t => {
    const fake = await service(t)
    await put(fake, { number: 4, had: 10 })
    const before = await count(fake)
    await put(fake, { number: 12, had: 10 })
    assert.equal(await bringTo(fake.consul, keys, before, null, ids(10)), null)
    assert.deepEqual(await setIn(fake), [...ids(10), '15'])
  })

  it('does not shrink once a freeze has begun since the look', async t => {
    const fake = await service(t)
    await put(fake, { number: 4, had: 10 })
    await transact(fake.consul, freezing(keys, null, { by: 'hand' }, ''))
    await assert.rejects(bringTo(fake.consul, keys, await count(fake), null, ids(10)), { name: 'Temporary' })
    assert.deepEqual(await setIn(fake), [...ids(10), '15'])
  })

  it('gets no clean lock for a number that it had: its process may still run', async t => {
    const fake = await service(t)
    for (const key of [keys.partition('3'), keys.lock('3')]) fake.memory.remove(key)
    await put(fake, { number: 12, had: 10 })
    await bringTo(fake.consul, keys, await count(fake), null, await setIn(fake))
    assert.deepEqual([isClean(fake, '3'), isClean(fake, '11'), (await count(fake)).done], [false, true, true])
  })
})

/** Looks and acts until nothing is left to do for the set. */
async function looks(t: TestContext, fake: FakeConsul, own: Partial<Definition>, over = {}) {
  const files = stateOf(t, me)
  const run = { ...contextOf(fake.consul, files), instance: me, node: 'a' }
  for (let look = 0; look < 8; look++) {
    const cluster = await lookAtCluster(fake.consul, 'svc')
    const snapshot = snapshotOf({
      ...cluster,
      ...{ definition: { ...definition, ...own }, digest: 'digest', definedLast: readFact(files.defined), ...over },
    })
    const steps = plan(snapshot, new Map()).steps.filter(step => step.do === 'define' || step.do === 'count')
    if (steps.length === 0) return { run, look }
    await act(run, snapshot, steps)
  }
  throw new Error('it does not come to an end')
}

describe('an instance', () => {
  it('brings the set of a percentage into being, and follows it', async t => {
    const fake = await service(t, 0)
    const share = { percent: 350, of: 'weight', settleMs: 30_000 }
    const none = await looks(t, fake, { partitions: [], share })
    assert.equal(none.look, 0, 'not before it has stood')
    const stood = new Map([[numberStands(4), now - 30_000]])
    await looks(t, fake, { partitions: [], share }, { stood })
    assert.deepEqual(await setIn(fake), ids(4))
    const { count } = await lookAtCluster(fake.consul, 'svc')
    assert.deepEqual([count?.by, count?.number, count?.done, isClean(fake, '3')], ['definition', 4, true, true])
  })

  it('goes back to its definition after a reset, and no further', async t => {
    const fake = await service(t)
    await scale(fake.consul, 'svc', to(12), false)
    await looks(t, fake, { partitions: ids(8) })
    assert.deepEqual(await setIn(fake), [...ids(12), '15'], 'people win')
    await scale(fake.consul, 'svc', { kind: 'reset' }, false)
    await looks(t, fake, { partitions: ids(8) })
    assert.deepEqual(await setIn(fake), [...ids(8), '15'])
    const { count } = await lookAtCluster(fake.consul, 'svc')
    assert.deepEqual([count?.by, count?.share, count?.done], ['definition', null, true])
  })

  it('with a percentage in place of a list proposes what it would remove', async t => {
    const fake = await service(t)
    const share = { percent: 400, of: 'weight', settleMs: 0 }
    const over = { definedLast: '["another"]', stood: new Map([[numberStands(4), now]]) }
    const cluster = await lookAtCluster(fake.consul, 'svc')
    const snapshot = snapshotOf({ ...cluster, definition: { ...definition, partitions: [], share }, ...over })
    const run = { ...contextOf(fake.consul, stateOf(t, me)), instance: me, node: 'a' }
    await act(run, snapshot, [{ do: 'define' }])
    assert.deepEqual(await setIn(fake), [...ids(10), '15'])
    const { proposals } = await lookAtCluster(fake.consul, 'svc')
    assert.equal(proposals.get(me)?.removes, 6)
  })

  it('goes on with its own partitions where the set cannot be brought to the number', async t => {
    const fake = await service(t)
    await scale(fake.consul, 'svc', to(9), false)
    const cluster = await lookAtCluster(fake.consul, 'svc')
    await transact(fake.consul, freezing(keys, null, { by: 'hand' }, ''))
    fake.memory.remove(keys.lock('15'))
    const count = { ...(cluster.count as CountInForce), number: 4, done: false }
    const run = { ...contextOf(fake.consul, stateOf(t, me)), instance: me, node: 'a' }
    const steps = [
      { do: 'count', what: 'bring', number: 4 },
      { do: 'remake', partition: '15' },
    ] as const
    await assert.rejects(act(run, snapshotOf({ ...cluster, count }), steps), { name: 'Temporary' })
    assert.equal(fake.memory.keys.has(keys.lock('15')), true)
  })

  it('freezes and thaws once', async t => {
    const fake = await service(t)
    const rule = { lost: 0.5, settleMs: 0 }
    await transact(fake.consul, freezing(keys, null, { by: 'lost', lost: ['b:svc'], of: 1, rule }, 'now'))
    const cluster = await lookAtCluster(fake.consul, 'svc')
    const run = { ...contextOf(fake.consul, stateOf(t, me)), instance: me, node: 'a' }
    await act(run, snapshotOf({ ...cluster }), [{ do: 'thaw' }])
    assert.equal((await lookAtCluster(fake.consul, 'svc')).freeze, null)
    await act(run, snapshotOf({ ...cluster, freeze: cluster.freeze as Freeze }), [{ do: 'thaw' }])
    assert.equal(run.logged.filter(line => /ended the freeze/.test(line)).length, 1)
  })
})

describe('watchbill freeze', () => {
  const rule = { lost: 0.5, settleMs: 0 }
  const byLost = freezing(keys, null, { by: 'lost', lost: ['b:svc'], of: 1, rule }, 'now')

  it('keeps a service frozen that lost instances froze: it no longer thaws by itself', async t => {
    const fake = await service(t)
    await transact(fake.consul, byLost)
    assert.equal(await freezeByHand(fake.consul, 'svc', 'work on the network', false), true)
    const { freeze } = await lookAtCluster(fake.consul, 'svc')
    assert.deepEqual([freeze?.frozen, freeze?.by, freeze?.why], [true, 'hand', 'work on the network'])
    assert.equal(await freezeByHand(fake.consul, 'svc', '', false), false)
  })

  it('does not make a set that was lost look empty', async t => {
    const { consul } = await service(t, 0)
    await freezeByHand(consul, 'svc', '', false)
    assert.equal((await lookAtCluster(consul, 'svc')).defined, false)
    await thawByHand(consul, 'svc', false)
    assert.equal((await lookAtCluster(consul, 'svc')).defined, false)
  })
})
