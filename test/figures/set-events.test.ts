/** Changes of the partition set that nobody makes by hand: an event for each, in the transaction of the change. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { act } from '../../lib/act/act.ts'
import { keysOf } from '../../lib/base/names.ts'
import type { Definition, Source } from '../../lib/definition/definition.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { addPartitions } from '../../lib/keys/partition-set.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { numberStands } from '../../lib/look/stood.ts'
import { readEvents } from '../../lib/operate/events/read.ts'
import { eventLine } from '../../lib/operate/events/words.ts'
import { partitionsLine } from '../../lib/plan/plan.ts'
import { putCountInForce } from '../../lib/scheduler/count.ts'
import { putInForce } from '../../lib/sources/put-in-force.ts'
import { sync } from '../../lib/sources/sync.ts'
import { writeFact } from '../../lib/state/facts.ts'
import type { Run } from '../../lib/state/self.ts'
import { definition, me, now, other, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'

const keys = keysOf('svc')
const ids = (count: number) => Array.from({ length: count }, (_, at) => String(at))

async function service(t: TestContext, there: readonly string[]): Promise<FakeConsul> {
  const fake = await fakeConsul(t)
  for (const instance of [me, other]) {
    const node = instance.slice(0, 1)
    fake.memory.session(sessionOf(instance), node, `watchbill ${instance}`)
    const passing = { name: 'svc', status: 'passing' } as const
    fake.memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', passing]]) })
    fake.memory.lock(keys.member(instance), sessionOf(instance), memberValue(node, definition, 'digest'))
  }
  const items = there.map(id => ({ id }))
  if (there.length > 0) await addPartitions(fake.consul, keys, items, 'definition')
  return fake
}

/** One run of an instance's program, by whose name changes go. */
function runOf(t: TestContext, { consul }: FakeConsul, instance = me): Run {
  const named = Object.defineProperty(consul.another(2000), 'by', { value: async () => instance })
  t.after(() => named.close())
  return { ...contextOf(named, stateOf(t, instance)), instance, node: instance.slice(0, 1) }
}

/** What the service's events say, without their times. */
async function told({ consul }: FakeConsul): Promise<string[]> {
  return (await readEvents(consul, { service: 'svc' })).map(event => eventLine(event).replace(/^\S+ +/, ''))
}

async function define(t: TestContext, fake: FakeConsul, own: Partial<Definition>, over = {}, run = runOf(t, fake)) {
  const cluster = await lookAtCluster(fake.consul, 'svc')
  const looked = { ...cluster, definition: { ...definition, ...own }, definedLast: partitionsLine(['before']), ...over }
  await act(run, snapshotOf(looked), [{ do: 'define' }])
}

describe('a change of the set is an event', () => {
  it('of the definition that makes it, with the number and the first ids', async t => {
    const fake = await service(t, ids(4))
    await define(t, fake, { partitions: ids(120) })
    assert.deepEqual(await told(fake), [
      `the definition of ${me}  4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 106 more  added`,
    ])
    const [event, ...more] = await readEvents(fake.consul, { service: 'svc', partition: '119' })
    assert.deepEqual([event?.partitions.length, event?.more, more.length], [10, 106, 0])
  })

  it('once, where two instances make it between them', async t => {
    const fake = await service(t, ids(4))
    const own = { partitions: ids(90) }
    const seen = await lookAtCluster(fake.consul, 'svc')
    let left = 1
    const isAdding = (operations: readonly { Verb: string }[]) => operations.some(({ Verb }) => Verb === 'cas')
    fake.script = ({ operations }) => (isAdding(operations) && left-- <= 0 ? { status: 500 } : undefined)
    await assert.rejects(define(t, fake, own, seen))
    fake.script = () => undefined
    await define(t, fake, own, seen, runOf(t, fake, other))
    assert.equal((await lookAtCluster(fake.consul, 'svc')).partitions.size, 90)
    const lines = await told(fake)
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0] as string, /^the definition of [ab]:svc {2}4, .* and 76 more {2}added$/)
  })

  it('again, when the same change is made another time', async t => {
    const fake = await service(t, ids(4))
    for (let time = 1; time <= 2; time++) {
      await define(t, fake, { partitions: ids(5) })
      const index = fake.memory.keys.get(keys.partition('4'))?.ModifyIndex
      fake.memory.remove(keys.partition('4'))
      assert.ok(index)
    }
    assert.deepEqual(await told(fake), Array(2).fill(`the definition of ${me}  4  added`))
  })

  it('none where nothing changes, or the change is only proposed', async t => {
    const fake = await service(t, ids(4))
    await define(t, fake, { partitions: ids(4) })
    await define(t, fake, { partitions: ids(3) })
    assert.deepEqual(await told(fake), [])
  })

  it('of a source: what it added, changed and removed, and who fetched it', async t => {
    const fake = await service(t, [])
    const path = join(directory(t), 'set.json')
    const source: Source = {
      from: { kind: 'file', path },
      ...{ format: 'json', items: '', id: '/id', everyMs: 30_000, jitterMs: 0, timeoutMs: 1000 },
      ...{ retryMs: 1000, giveUpAfterMs: 60_000, maxDrop: 1 },
    }
    const run = runOf(t, fake)
    const given = { file: '/none', definition: { ...definition, partitions: [], source } }
    writeFact(run.files.definition, JSON.stringify({ ...given, digest: 'digest', stamp: 'stamp' }))
    writeFact(run.files.session, sessionOf(me))
    for (const set of ['["x", "y"]', '["x", "y"]', '[{"id": "x", "url": "new"}, "z"]']) {
      writeFileSync(path, set)
      await sync(run)
    }
    const by = `the source that is fetched by ${me}`
    assert.deepEqual(await told(fake), [
      `${by}  x, y  added`,
      `${by}  z  added`,
      `${by}  x  changed`,
      `${by}  y  removed`,
    ])
  })

  it('none of a source whose duty was lost meanwhile', async t => {
    const fake = await service(t, ids(2))
    const change = { added: [{ id: 'x' }], changed: [], removed: [] }
    await assert.rejects(putInForce(runOf(t, fake), keys, 'another session', change, true))
    assert.deepEqual(await told(fake), [])
  })

  it('of a percentage, whose number follows the members', async t => {
    const fake = await service(t, [])
    const share = { percent: 200, of: 'weight', settleMs: 0 } as const
    const stood = new Map([
      [numberStands(4), now - 1],
      [numberStands(6), now - 1],
    ])
    await define(t, fake, { partitions: [], share }, { stood, definedLast: null })
    const run = runOf(t, fake)
    const looked = await lookAtCluster(fake.consul, 'svc')
    const snapshot = snapshotOf({ ...looked, definition: { ...definition, partitions: [], share } })
    await act(run, snapshot, [{ do: 'count', what: 'write', number: 6 }])
    assert.deepEqual(await told(fake), [
      `the definition of ${me}  0, 1, 2, 3  added`,
      `${me}  -  scaled: from 4 to 6, 200% of weight`,
    ])
  })

  it('of a scheduler that says how many there are to be', async t => {
    const fake = await service(t, ids(4))
    const snapshot = snapshotOf({ ...(await lookAtCluster(fake.consul, 'svc')), definition })
    await putCountInForce(runOf(t, fake), snapshot, 6)
    assert.deepEqual(await told(fake), [`the scheduler on ${me}  -  scaled: from 4 to 6`])
  })
})
