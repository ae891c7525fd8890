import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reportHindrance, reportOf, writeReport } from '../lib/act/report.ts'
import { isReportStale, parseReport } from '../lib/keys/report.ts'
import type { Snapshot } from '../lib/look/snapshot.ts'
import { type Plan, plan } from '../lib/plan/plan.ts'
import { readFact, writeFact } from '../lib/state/facts.ts'
import { definition, locals, locks, me, now, other, snapshotOf } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { contextOf, stateOf } from './fixtures/state.ts'

const quiet: Plan = { steps: [], sentence: '', waits: new Map(), incoming: 0, queued: [] }
const looping = 'crash-looping since 1767225600: exit 1'
const with0 = (over: Parameters<typeof locals.running>[0]) =>
  snapshotOf({ local: new Map([['0', locals.running(over)]]) })

describe('a report', () => {
  for (const status of [
    'starting',
    'running',
    'stopping: asked',
    'stopped: asked',
    'not here: its lock is lost',
    null,
  ]) {
    it(`says nothing of a partition that is ${status}`, () => {
      assert.deepEqual({ ...reportOf(with0({ status }), quiet, {}, 0) }, {})
    })
  }

  for (const status of [looping, 'backing off: exit 1', 'finished: exit 0', 'cannot start: spawn ENOENT']) {
    it(`says "${status}"`, () => assert.deepEqual({ ...reportOf(with0({ status }), quiet, {}, 0) }, { 0: status }))
  }

  it('says nothing of what is not here any more, or not yet', () => {
    assert.deepEqual({ ...reportOf(with0({ status: looping, acquisition: null }), quiet, {}, 0) }, {})
    assert.deepEqual({ ...reportOf(with0({ status: looping, index: null }), quiet, {}, 0) }, {})
  })

  it('names what newer agents refuse: what is there and cannot be used, and what was left out of the definition', () => {
    const snapshot = snapshotOf({
      definition: { ...definition, partitions: ['0', 'tenant one', "a 'b"] },
      partitions: new Set(['0', 'tenant one']),
      unusable: new Set(['tenant one']),
    })
    const { '': everything, ...rest } = { ...reportOf(snapshot, quiet, {}, 0) }
    assert.equal(
      rest['tenant one'],
      "key refused: Consul's agents from 1.22 on take no key that holds a space; rename it: watchbill partitions svc rename 'tenant one' tenant-one",
    )
    assert.match(
      String(everything),
      /from 1\.22 on take no key that holds a space; use another name: "a 'b" \(such as a-b\)$/,
    )
    assert.deepEqual(Object.keys(rest), ['tenant one'])
  })

  const wall = Date.parse('2026-01-01T00:00:00.250Z')
  const waiting = (lock: Parameters<typeof locks.unclean>[1] = {}): Snapshot =>
    snapshotOf({
      partitions: new Set(['0']),
      locks: new Map([['0', locks.unclean(other, lock)]]),
      free: new Map([['0', { index: 100, since: now - 4000 }]]),
    })
  const planOf = (snapshot: Snapshot) => plan(snapshot, new Map([['0', me]]))

  it('says who takes over from whom, and when', () => {
    const snapshot = waiting()
    assert.deepEqual(
      { ...reportOf(snapshot, planOf(snapshot), {}, wall) },
      {
        0: `takeover by ${me} at 2026-01-01T00:00:10Z: ${other} lost the lock without giving it back`,
      },
    )
  })

  it('says so when nobody knows from whom', () => {
    const snapshot = waiting({ held: null })
    assert.match(
      reportOf(snapshot, planOf(snapshot), {}, wall)['0'] ?? '',
      /: the lock was lost without giving it back$/,
    )
  })

  it('keeps its first words during a wait', () => {
    const snapshot = waiting()
    const before = reportOf(snapshot, planOf(snapshot), {}, wall)
    assert.deepEqual(reportOf(snapshot, planOf(snapshot), before, wall + 1700), before)
  })

  it('drops the words of a wait that is over', () => {
    assert.deepEqual({ ...reportOf(snapshotOf(), quiet, { 0: 'takeover by …' }, wall) }, {})
  })
})

describe('reading a report', () => {
  for (const text of [null, '', '{', 'null', '5', '"text"', '{"0":5}', '{"0":null}']) {
    it(`${text} says nothing`, () => assert.deepEqual({ ...parseReport(text) }, {}))
  }
  it('keeps what is a sentence', () => assert.deepEqual({ ...parseReport('{"0":"x","1":5}') }, { 0: 'x' }))
})

describe('a partition with the name of what every object inherits', () => {
  for (const id of ['__proto__', 'constructor', 'toString']) {
    it(`${id} is one like any other`, t => {
      const snapshot = snapshotOf({ local: new Map([[id, locals.running({ status: looping })]]) })
      const text = JSON.stringify(reportOf(snapshot, quiet, parseReport(null), 0))
      assert.equal(text, `{"${id}":"${looping}"}`)
      assert.equal(parseReport(text)[id], looping)
      assert.equal(parseReport(null)[id], undefined)
      const waiting = reportOf(snapshotOf(), { ...quiet, waits: new Map([[id, 5000]]) }, parseReport(null), 0)
      assert.match(waiting[id] ?? '', /^takeover by /)
      assert.equal(isReportStale(stateOf(t), snapshot.local), true)
    })
  }
})

describe('a report is stale', () => {
  const local = new Map([['0', locals.running({ status: looping })]])
  const ordinary = new Map([['0', locals.running()]])

  it('when the shepherd says something that it does not', t => {
    const files = stateOf(t)
    assert.equal(isReportStale(files, local), true)
    writeFact(files.report, JSON.stringify({ 0: 'backing off: exit 1' }))
    assert.equal(isReportStale(files, local), true)
    writeFact(files.report, JSON.stringify({ 0: looping }))
    assert.equal(isReportStale(files, local), false)
  })

  it('when the shepherd has nothing more to say', t => {
    const files = stateOf(t)
    writeFact(files.report, JSON.stringify({ 0: looping }))
    assert.equal(isReportStale(files, ordinary), true)
  })

  it('but not because of a wait, which only a look can judge', t => {
    const files = stateOf(t)
    writeFact(files.report, JSON.stringify({ 0: 'takeover by …' }))
    assert.equal(isReportStale(files, ordinary), false)
  })
})

describe('writing a report', () => {
  const snapshot = with0({ status: looping })
  const { report: key } = snapshot.keys

  it('happens only when it says something else than the last', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    const context = contextOf(consul, stateOf(t))
    await writeReport(context, snapshotOf(), quiet)
    assert.equal(requests.length, 0)
    await writeReport(context, snapshot, quiet)
    assert.deepEqual(memory.value(key(me)), { 0: looping })
    await writeReport(context, snapshot, quiet)
    assert.equal(requests.length, 1)
  })

  it('removes it when there is nothing to say', async t => {
    const { consul, memory } = await fakeConsul(t)
    const context = contextOf(consul, stateOf(t))
    await writeReport(context, snapshot, quiet)
    await writeReport(context, snapshotOf(), quiet)
    assert.equal(memory.keys.has(key(me)), false)
    assert.equal(readFact(context.files.report), null)
  })

  it('is done again when Consul did not take it', async t => {
    const fake = await fakeConsul(t)
    const context = contextOf(fake.consul, stateOf(t))
    fake.script = () => ({ status: 500, text: 'no leader' })
    await assert.rejects(writeReport(context, snapshot, quiet), { name: 'Temporary' })
    assert.equal(readFact(context.files.report), null)
  })
})

describe('what hinders the whole instance', () => {
  it('is written beside the rest, once, and goes with the next report', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    const context = contextOf(consul, stateOf(t))
    const snapshot = with0({ status: looping })
    const { keys } = snapshot
    await writeReport(context, snapshot, quiet)
    assert.equal(await reportHindrance(context, keys, 'no permission'), true)
    assert.deepEqual(memory.value(keys.report(me)), { 0: looping, '': 'no permission' })
    const before = requests.length
    assert.equal(await reportHindrance(context, keys, 'no permission'), false)
    assert.equal(requests.length, before)
    await writeReport(context, snapshot, quiet)
    assert.deepEqual(memory.value(keys.report(me)), { 0: looping })
  })
})
