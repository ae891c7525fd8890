import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { act } from '../../lib/act/act.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { Temporary } from '../../lib/base/errors.ts'
import { keysOf } from '../../lib/base/names.ts'
import type { Definition, Source } from '../../lib/definition/definition.ts'
import { waiting } from '../../lib/hooks/queue.ts'
import { dutyFrom } from '../../lib/keys/duty.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { addPartitions } from '../../lib/keys/partition-set.ts'
import { apply } from '../../lib/operate/partitions/apply.ts'
import { partitionsLine } from '../../lib/plan/plan.ts'
import { askForSync } from '../../lib/sources/ask.ts'
import { sync } from '../../lib/sources/sync.ts'
import { readFact, removeFact, writeFact } from '../../lib/state/facts.ts'
import { definition, snapshotOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const keys = keysOf('svc')

/** A service whose set stands in a file, with the instances a:svc and b:svc. */
async function service(t: TestContext, over: Partial<Source> = {}, more: Partial<Definition> = {}) {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const path = join(directory(t), 'set.json')
  const source: Source = {
    from: { kind: 'file', path },
    ...{ format: 'json', items: '', id: '/id', everyMs: 30_000, jitterMs: 0, timeoutMs: 1000 },
    ...{ retryMs: 1000, giveUpAfterMs: 60_000, maxDrop: 0.5 },
    ...over,
  }
  const defined: Definition = { ...definition, partitions: [], source, ...more }
  const instance = (node: string) => {
    const name = `${node}:svc`
    const files = stateOf(t, name)
    memory.session(`session of ${node}`, node, `watchbill ${name}`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(name), `session of ${node}`, memberValue(node, defined, 'digest'))
    writeFact(files.session, `session of ${node}`)
    const file = '/none'
    writeFact(files.definition, JSON.stringify({ file, definition: defined, digest: 'digest', stamp: 'stamp' }))
    return { ...contextOf(fake.consul, files), instance: name, node, service: 'svc', definitionFile: file }
  }
  return { fake, set: (text: string) => writeFileSync(path, text), a: instance('a'), b: instance('b'), path, source }
}

const text = (fake: FakeConsul, key: string) => {
  const raw = fake.memory.keys.get(key)
  return raw?.Value ? Buffer.from(raw.Value, 'base64').toString() : null
}
const partitions = (fake: FakeConsul) =>
  Object.fromEntries(
    fake.memory.below(keys.partitions).map(({ Key }) => [Key.slice(keys.partitions.length), text(fake, Key)]),
  )
const duty = (fake: FakeConsul) => dutyFrom(text(fake, keys.duty('source')))
const writes = (fake: FakeConsul) =>
  fake.requests.flatMap(({ operations }) => operations.filter(({ Verb }) => !/^(get|check)/.test(Verb)))

/** In how many seconds the next fetch is due. */
const dueIn = (run: { files: { sourceDue: string } }) =>
  Math.round((Number(readFact(run.files.sourceDue)?.split(' ')[0]) - bootClock()) / 1000)

describe('a fetched set', () => {
  it('is written with its documents and clean locks, by the first who comes; the other leaves it to him', async t => {
    const { fake, set, a, b } = await service(t)
    set('[{"id": "x", "url": "ws://x"}, "y"]')
    assert.equal(await sync(a), 'fetched; added: x, y')
    assert.deepEqual(partitions(fake), {
      x: '{"from":"source","document":{"id":"x","url":"ws://x"}}',
      y: '{"from":"source"}',
    })
    assert.equal(JSON.parse(text(fake, keys.lock('x')) ?? '').clean, true)
    assert.equal(await sync(b), 'a:svc fetches')
    assert.deepEqual([dueIn(a), dueIn(b)], [30, 30])
    fake.memory.destroy('session of a')
    set('["y"]')
    assert.equal(await sync(b), 'fetched; removed: x')
    assert.equal(duty(fake).by, 'b:svc')
  })

  it('shrinks no set while the service is frozen, and does so after the thaw', async t => {
    const { fake, set, a } = await service(t)
    set('["x", "y", "z"]')
    await sync(a)
    fake.memory.put(keys.freeze, '{"frozen":true,"by":"hand"}')
    set('["x", "y", "new"]')
    assert.match(await sync(a), /the answer is refused: it removes 1 partitions, and the service is frozen; /)
    assert.deepEqual(Object.keys(partitions(fake)), ['x', 'y', 'z'])
    assert.match(duty(fake).problem ?? '', /it is taken after watchbill thaw svc$/)
    fake.memory.remove(keys.freeze)
    assert.equal(await sync(a), 'fetched; added: new; removed: z')
    assert.equal(duty(fake).problem, null)
  })

  it('is not fetched while people have set a number, until they reset it', async t => {
    const { fake, set, a } = await service(t)
    set('["x"]')
    fake.memory.put(keys.number, '{"by":"hand","number":3,"done":true,"had":3}')
    assert.equal(await sync(a), 'nothing is fetched: people have set 3 partitions, until watchbill scale svc --reset')
    assert.deepEqual(partitions(fake), {})
    fake.memory.put(keys.number, '{"by":"definition","number":3,"done":true,"had":3}')
    assert.equal(await sync(a), 'fetched; added: x')
  })

  it('that has not changed writes nothing, and is not even read', async t => {
    const { fake, set, a } = await service(t)
    set('["x"]')
    await sync(a)
    assert.equal(await sync(a), 'fetched; unchanged', 'the second look finds what the first one wrote')
    fake.requests.length = 0
    assert.equal(await sync(a), 'fetched; unchanged')
    assert.deepEqual(writes(fake), [])
    assert.ok(!fake.requests.some(({ operations }) => operations.some(({ Verb }) => Verb === 'get-tree')))
  })

  it('leaves new ids out that newer agents refuse, says so until they are gone, and takes the rest', async t => {
    const { fake, set, a } = await service(t)
    fake.memory.put(keys.partition('old one'), '{"from":"source"}')
    set('["x", "tenant one", "old one"]')
    const left =
      /ids of the source are left out: .* holds a space; use another name: "tenant one" \(such as tenant-one\)$/
    assert.match(await sync(a), /^fetched; added: x$/)
    assert.deepEqual(Object.keys(partitions(fake)), ['old%20one', 'x'])
    for (let round = 0; round < 3; round++) {
      assert.match(String(duty(fake).problem), left)
      assert.equal(await sync(a), 'fetched; unchanged')
    }
    assert.equal(a.logged.filter(line => left.test(line)).length, 1)
    set('["x", "tenant-one", "old one"]')
    assert.equal(await sync(a), 'fetched; added: tenant-one')
    assert.equal(duty(fake).problem, null)
  })

  it('with one more id writes one partition, with another document that one', async t => {
    const { fake, set, a } = await service(t)
    const items = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `l${n}`, text: 'x'.repeat(1000) }))
    set(JSON.stringify(items(100)))
    await sync(a)
    const since = { documents: text(fake, keys.documents), index: fake.memory.keys.get(keys.documents)?.ModifyIndex }
    assert.ok(since.documents, 'it is known that there are documents')
    fake.requests.length = 0
    set(JSON.stringify(items(101)))
    assert.equal(await sync(a), 'fetched; added: l100')
    const keysOfWrites = writes(fake).map(({ Key }) => Key)
    assert.deepEqual(keysOfWrites, [keys.partition('l100'), keys.lock('l100'), keys.revision])
    const bytes = fake.requests.filter(({ method }) => method === 'PUT').reduce((sum, { body }) => sum + body.length, 0)
    assert.ok(bytes < 5000, `${bytes} bytes`)
    set(JSON.stringify(items(101).map(item => (item.id === 'l7' ? { ...item, text: 'other' } : item))))
    assert.equal(await sync(a), 'fetched; changed: l7')
    assert.notEqual(fake.memory.keys.get(keys.documents)?.ModifyIndex, since.index, 'and that it is another one')
  })

  it('leaves alone what was added by hand; what the definition said before goes once somebody applies it', async t => {
    const { fake, set, a } = await service(t)
    await addPartitions(
      fake.consul,
      keys,
      [
        { id: 'mine', document: 1 },
        { id: 'both', document: 2 },
      ],
      'hand',
    )
    await addPartitions(fake.consul, keys, [{ id: 'old' }, { id: 'kept' }], 'definition')
    set('[{"id": "both"}, "kept"]')
    const refused =
      /is refused: it lacks 1 of the 2 partitions of the definition before it; .*: watchbill partitions svc apply$/
    assert.match(await sync(a), refused)
    assert.match(String(duty(fake).problem), refused)
    assert.equal(Object.keys(partitions(fake)).length, 4)
    assert.match(
      await apply(fake.consul, 'svc', [], { limit: 0, dryRun: true }),
      /^would accept the answer .* lacks 1 of the 2/,
    )
    const said = apply(fake.consul, 'svc', [], { limit: 5000, dryRun: false })
    await until('it to be asked for', () => fake.memory.keys.has(keys.sync))
    assert.equal(await sync(a), 'fetched; changed: kept; removed: old')
    assert.equal(await said, 'fetched; changed: kept; removed: old')
    assert.deepEqual(partitions(fake), {
      both: '{"from":"hand","document":2}',
      kept: '{"from":"source"}',
      mine: '{"from":"hand","document":1}',
    })
    await addPartitions(fake.consul, keys, [{ id: 'next' }], 'definition')
    assert.equal(await sync(a), 'fetched; unchanged', 'another instance has the next definition already')
  })

  it('is no answer that cannot be believed, though somebody applies one that lacks partitions', async t => {
    const { fake, set, a } = await service(t)
    await addPartitions(fake.consul, keys, [{ id: 'old' }, { id: 'kept' }], 'definition')
    set('["kept"]')
    assert.match(await sync(a), /lacks 1 of the 2/)
    set('[]')
    const said = apply(fake.consul, 'svc', [], { limit: 5000, dryRun: false })
    said.catch(() => {})
    await until('it to be asked for', () => fake.memory.keys.has(keys.sync))
    assert.match(await sync(a), /is refused: it holds no partition; /)
    await assert.rejects(said, { name: 'Temporary', message: /it holds no partition/ })
    assert.deepEqual(Object.keys(partitions(fake)).sort(), ['kept', 'old'])
  })

  it('comes back when somebody takes a part of it away, though the source says nothing new', async t => {
    const { fake, set, a } = await service(t)
    set('["x", "y"]')
    await sync(a)
    await sync(a)
    fake.memory.keys.delete(keys.partition('x'))
    fake.memory.put(keys.partition('z'), '{"from":"source"}')
    assert.equal(await sync(a), 'fetched; added: x; removed: z')
  })

  it('gives way to a definition that has its own, and what was wrong with the source is forgotten', async t => {
    const { fake, set, a } = await service(t)
    set('["x", "y"]')
    await sync(a)
    set('[]')
    await sync(a)
    assert.match(duty(fake).problem ?? '', /refused/)
    const now = { ...definition, partitions: ['x', 'y', 'z'] }
    await act(a, snapshotOf({ definition: now, definedLast: partitionsLine([]) }), [{ do: 'define' }])
    assert.deepEqual(Object.keys(partitions(fake)), ['x', 'y', 'z'])
    assert.equal(text(fake, keys.duty('source')), null)
  })

  it('is written without clean locks when somebody wiped it while it ran', async t => {
    const { fake, set, a } = await service(t)
    set('["x"]')
    await sync(a)
    for (const { Key } of fake.memory.below(keys.root)) if (!Key.startsWith(keys.members)) fake.memory.keys.delete(Key)
    assert.equal(await sync(a), 'fetched; added: x')
    assert.equal((fake.memory.value(keys.lock('x')) as { clean: boolean }).clean, false)
  })
})

describe('a source that is asked once', () => {
  const once = { everyMs: null } as const

  it('is asked at the start, until it answers, and then when somebody asks for it', async t => {
    const { fake, set, a, b } = await service(t, once)
    assert.match(await sync(a), /ENOENT/)
    assert.equal(dueIn(a), 1)
    set('["x"]')
    assert.equal(await sync(a), 'fetched; added: x')
    set('["x", "y"]')
    const index = fake.memory.index
    for (let round = 0; round < 3; round++)
      assert.equal(
        await sync(a),
        'it was fetched once, and has no interval: watchbill partitions … sync fetches it again',
      )
    assert.deepEqual([dueIn(a), fake.memory.index], [3600, index])
    const asked = askForSync(fake.consul, 'svc', { force: false }, 5000)
    await until('it to be asked for', () => fake.memory.keys.has(keys.sync))
    assert.equal(await sync(a), 'fetched; added: y')
    assert.equal(await asked, 'fetched; added: y')
    assert.equal(await sync(b), 'a:svc fetches')
  })

  it('is not asked again by another instance, but when the set is lost, or it is another source', async t => {
    const { fake, set, a, b } = await service(t, once)
    set('["x"]')
    await sync(a)
    fake.memory.destroy('session of a')
    set('["x", "y"]')
    assert.equal(
      await sync(b),
      'it was fetched once, and has no interval: watchbill partitions … sync fetches it again',
    )
    const other = { ...JSON.parse(readFact(b.files.definition) ?? '') }
    other.definition.source.timeoutMs = 900
    writeFact(b.files.definition, JSON.stringify(other))
    assert.equal(await sync(b), 'fetched; added: y')
    for (const key of [keys.revision, keys.partition('x')]) fake.memory.keys.delete(key)
    assert.equal(await sync(b), 'fetched; added: x')
  })
})

describe('a source that only adds', () => {
  it('takes nothing away, however little it answers, nor what the definition said before', async t => {
    const { fake, set, a } = await service(t, { removes: false })
    await addPartitions(fake.consul, keys, [{ id: 'old' }], 'definition')
    set(JSON.stringify(Array.from({ length: 20 }, (_, n) => `l${n}`)))
    await sync(a)
    set('["new", {"id": "l0", "n": 1}]')
    assert.equal(await sync(a), 'fetched; added: new; changed: l0')
    assert.equal(Object.keys(partitions(fake)).length, 22)
    assert.equal(duty(fake).problem, null)
  })
})

describe('a source that gives up for good', () => {
  it('has the instance that fetches drained, and another one fetch; at last nobody does', async t => {
    const { fake, set, a, b } = await service(t, { giveUpAfterMs: 0, onGiveUp: 'drain' })
    const drained = () => JSON.parse(text(fake, keys.settings) ?? '{}').drained
    const said =
      /ENOENT.*; mend it: it is tried again; a:svc gave up and is drained: watchbill drain svc a:svc off lets it try again$/
    assert.match(await sync(a), said)
    assert.deepEqual(drained(), ['a:svc'])
    assert.match(String(duty(fake).problem), said)
    assert.equal(await sync(a), 'it is drained')
    set('["x"]')
    assert.equal(await sync(b), 'fetched; added: x')
    assert.deepEqual([duty(fake).by, duty(fake).problem, drained()], ['b:svc', null, ['a:svc']])
    set('["x"')
    assert.match(await sync(b), /it is no JSON.* b:svc gave up and is drained/)
    assert.deepEqual(drained(), ['a:svc', 'b:svc'])
    for (const one of [a, b]) assert.equal(await sync(one), 'it is drained')
    assert.deepEqual(Object.keys(partitions(fake)), ['x'])
    fake.memory.put(keys.settings, '{"drained":["b:svc"],"epoch":0}')
    set('["x", "y"]')
    assert.equal(await sync(a), 'fetched; added: y')
  })

  it('does not give up because the service is frozen', async t => {
    const { fake, set, a } = await service(t, { giveUpAfterMs: 0, onGiveUp: 'drain' })
    set('["x", "y"]')
    await sync(a)
    fake.memory.put(keys.freeze, '{"frozen":true,"by":"hand"}')
    set('["x"]')
    for (let n = 0; n < 2; n++) assert.match(await sync(a), /the service is frozen; it is taken after/)
    assert.equal(text(fake, keys.settings), null)
    assert.equal(a.logged.filter(line => /frozen/.test(line)).length, 1, 'it is logged once')
    fake.memory.remove(keys.freeze)
    assert.equal(await sync(a), 'fetched; removed: y')
  })

  it('leaves the duty where somebody else has drained it', async t => {
    const { fake, set, a, b } = await service(t, { onGiveUp: 'drain' })
    set('["x"]')
    await sync(a)
    fake.memory.put(keys.settings, '{"drained":["a:svc"],"epoch":0}')
    assert.equal(await sync(a), 'it is drained: another instance is to fetch')
    assert.equal(await sync(b), 'fetched; unchanged')
    assert.equal(duty(fake).by, 'b:svc')
  })
})

describe('a source that fails', () => {
  it('and takes its time over it is asked again within an interval of when it was asked', async t => {
    const from = { kind: 'command', command: ['sleep', '60'] } as const
    const { a } = await service(t, { from, timeoutMs: 400, everyMs: 1000, retryMs: 500 })
    for (let n = 0; n < 2; n++) {
      const asked = bootClock()
      assert.match(await sync(a), /no end within/)
      const took = bootClock() - asked
      const next = Number(readFact(a.files.sourceDue)?.split(' ')[0]) - asked
      assert.ok(next >= 850 && next <= Math.max(1000, took + 500) + 50, `${next} ms after it was asked`)
    }
  })

  it('is tried again, later each time, and told when it was given up; the set stays', async t => {
    const { fake, set, a } = await service(t, { giveUpAfterMs: 0 }, { hooks: { sourceFailed: ['./page'] } })
    set('["x"]')
    await sync(a)
    set('["x"')
    const due: number[] = []
    for (let n = 0; n < 7; n++) {
      assert.match(await sync(a), /^cannot fetch the partitions from \S+: it is no JSON: [^\n]*$/)
      due.push(dueIn(a))
    }
    assert.deepEqual(due, [1, 2, 4, 8, 16, 30, 30])
    assert.deepEqual(Object.keys(partitions(fake)), ['x'])
    assert.match(duty(fake).problem ?? '', /it is no JSON/)
    const events = waiting(a.files).map(({ event }) => event)
    assert.deepEqual(
      events.map(({ event }) => event),
      ['sourceFailed'],
    )
    assert.match(String(events[0]?.details.Reason), /it is no JSON/)
    set('["x", "y"]')
    assert.equal(await sync(a), 'fetched; added: y')
    assert.deepEqual([duty(fake).problem, duty(fake).since, dueIn(a)], [null, null, 30])
  })

  it('is not told of before it was given up', async t => {
    const { fake, a } = await service(t, { giveUpAfterMs: 60_000 })
    assert.match(await sync(a), /ENOENT/)
    assert.equal(duty(fake).problem, null)
    const state = JSON.parse(readFact(a.files.source) ?? '')
    writeFact(a.files.source, JSON.stringify({ ...state, failingSince: bootClock() - 60_000 }))
    await sync(a)
    assert.match(duty(fake).problem ?? '', /ENOENT/)
  })

  const refused: [string, string, RegExp, string][] = [
    [
      'an empty list',
      '[]',
      /is refused: it holds no partition/,
      'fetched; removed: l0, l1, l10, l11, l2, l3, l4, l5, l6, l7 and 2 more',
    ],
    [
      'a list that lacks most',
      '["l0"]',
      /is refused: it lacks 11 of the 12/,
      'fetched; removed: l1, l10, l11, l2, l3, l4, l5, l6, l7, l8 and 1 more',
    ],
    [
      'an id twice',
      '["l0", "l0"]',
      /is refused: \/1: "l0" is there twice/,
      'fetched; removed: l1, l10, l11, l2, l3, l4, l5, l6, l7, l8 and 1 more',
    ],
    [
      'a bad id',
      '["new", ""]',
      /is refused: \/1: "" is no id/,
      'fetched; added: new; removed: l0, l1, l10, l11, l2, l3, l4, l5, l6, l7 and 2 more',
    ],
  ]
  for (const [what, answer, why, forced] of refused) {
    it(`by answering ${what} is told at once, and taken by force`, async t => {
      const { fake, set, a } = await service(t)
      set(JSON.stringify(Array.from({ length: 12 }, (_, n) => `l${n}`)))
      await sync(a)
      set(answer)
      assert.match(await sync(a), why)
      assert.match(duty(fake).problem ?? '', why)
      assert.equal(dueIn(a), 30)
      assert.equal(Object.keys(partitions(fake)).length, 12)
      fake.memory.put(keys.sync, JSON.stringify({ id: 'r1', force: false }))
      await sync(a)
      assert.deepEqual([duty(fake).answer?.request, duty(fake).answer?.ok], ['r1', false])
      assert.match(duty(fake).answer?.said ?? '', why)
      fake.memory.put(keys.sync, JSON.stringify({ id: 'r2', force: true }))
      assert.equal(await sync(a), forced)
      assert.deepEqual(duty(fake), {
        by: 'a:svc',
        problem: null,
        since: null,
        answer: { request: 'r2', ok: true, said: forced },
      })
      if (what !== 'an empty list') assert.notDeepEqual(partitions(fake), {})
      assert.match(await sync(a), /is refused|unchanged/, 'force holds for one request')
    })
  }
})

describe('a fetch that is asked for', () => {
  it('says what the interval’s fetch took, when that was quicker', async t => {
    const { a, set, fake } = await service(t)
    set('["x"]')
    await sync(a)
    await sync(a)
    fake.memory.put(keys.sync, JSON.stringify({ id: 'r1', force: false }))
    await sync(a)
    const { answer } = duty(fake)
    assert.match(answer?.said ?? '', /^fetched; unchanged since \d{4}-\S+Z \(added: x\)$/)
    assert.equal(await sync(a), 'fetched; unchanged')
  })
})

describe('whoever fetches', () => {
  it('and is cut off at any request, and others may be quicker, ends with the set all the same', async t => {
    const items = (from: number, n: number) =>
      JSON.stringify(Array.from({ length: 40 }, (_, at) => ({ id: `l${from + at}`, n })))
    const wanted = Array.from({ length: 40 }, (_, at) => [
      `l${10 + at}`,
      `{"from":"source","document":{"id":"l${10 + at}","n":1}}`,
    ])
    let cut = true
    for (let nth = 0; cut; nth++) {
      const { fake, set, a, b } = await service(t)
      set(items(0, 0))
      await sync(a)
      set(items(10, 1))
      let requests = 0
      cut = false
      fake.script = () => {
        if (requests++ !== nth) return undefined
        cut = true
        return { status: 500, text: 'No cluster leader' }
      }
      if (nth % 2 === 0) await sync(a).catch(() => {})
      else {
        await sync(a).catch(() => {})
        fake.memory.destroy('session of a')
        await sync(b)
      }
      fake.script = () => undefined
      await sync(nth % 2 === 0 ? a : b)
      assert.deepEqual(Object.entries(partitions(fake)).sort(), wanted, `cut off at request ${nth}`)
      assert.equal(duty(fake).problem, null)
    }
  })

  it('does not while it has no session, and goes on from there soon', async t => {
    const { fake, a } = await service(t)
    removeFact(a.files.session)
    assert.match(await sync(a), /does not take part yet/)
    assert.equal(dueIn(a), 2)
    assert.equal(fake.requests.length, 0)
  })

  it('and loses the duty meanwhile writes nothing', async t => {
    const { fake, set, a } = await service(t)
    set('["x"]')
    fake.script = request => {
      if (request.operations.some(({ Verb, Key }) => Verb === 'get-tree' && Key === keys.partitions))
        fake.memory.destroy('session of a')
      return undefined
    }
    await assert.rejects(sync(a), Temporary)
    assert.deepEqual(partitions(fake), {})
    assert.equal(dueIn(a), 2)
  })

  it('is no one while Consul is away: the source is not to blame', async t => {
    const { fake, set, a } = await service(t)
    set('["x"]')
    fake.script = ({ path }) => (path.includes('partition') ? { status: 500, text: 'No cluster leader' } : undefined)
    await assert.rejects(sync(a), Temporary)
    fake.script = () => undefined
    assert.equal(duty(fake).problem, null)
    assert.equal(await sync(a), 'fetched; added: x')
  })
})
