/** Files before the start of a partition, and after its stop: what waits, for how long, and what never does. */
import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { markOf } from '../../lib/act/ask-for-render.ts'
import { withoutUnrendered } from '../../lib/act/render-first.ts'
import { reportOf } from '../../lib/act/report.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { isRenderDue } from '../../lib/guard/render-due.ts'
import { blank } from '../../lib/keys/report.ts'
import { plan } from '../../lib/plan/plan.ts'
import type { Start } from '../../lib/process/shepherd/start.ts'
import { writeFact } from '../../lib/state/facts.ts'
import {
  awaitsRender,
  beginToAwait,
  keepSeen,
  pauseAfter,
  templatesStamp,
  withRenders,
} from '../../lib/state/renders.ts'
import { heldBy, locals, locks, me, memberOne, now, other, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'

const { acquisition } = heldBy(me)
const quiet = locals.running({ shepherd: null, process: null, status: null })

describe('a start', () => {
  it('waits for the file of its acquisition, at most 5 s', t => {
    const files = stateOf(t)
    const { acquisition: own, rendered } = partitionIn(files, '0')
    assert.equal(awaitsRender(files, '0', 1000), false, 'there is nothing to start')
    writeFact(own, acquisition)
    assert.equal(awaitsRender(files, '0', 1000), true, 'before the wait has begun, too')
    beginToAwait(files, '0', 1000)
    beginToAwait(files, '0', 3000)
    assert.deepEqual(
      [1000, 5900, 6000].map(at => awaitsRender(files, '0', at)),
      [true, true, false],
    )
    writeFact(rendered, 'an older acquisition')
    assert.equal(awaitsRender(files, '0', 5900), true)
    writeFact(rendered, acquisition)
    assert.equal(awaitsRender(files, '0', 1000), false)
  })

  it('waits anew for another acquisition, and when the clock began anew', t => {
    const files = stateOf(t)
    const { acquisition: own } = partitionIn(files, '0')
    writeFact(own, 'first')
    beginToAwait(files, '0', 100_000)
    writeFact(own, 'second')
    beginToAwait(files, '0', 200_000)
    assert.equal(awaitsRender(files, '0', 201_000), true)
    beginToAwait(files, '0', 50) // another boot
    assert.deepEqual(
      [4000, 5050].map(at => awaitsRender(files, '0', at)),
      [true, false],
    )
  })

  it('is not planned while it waits, and others are', () => {
    const local = new Map([
      ['0', { ...quiet, unrendered: true as const }],
      ['1', quiet],
    ])
    const both = new Map(['0', '1'].map(id => [id, locks.held(me)]))
    const snapshot = snapshotOf({ local, locks: both, members: [memberOne(me)] })
    const next = plan(snapshot, new Map(['0', '1'].map(id => [id, me])))
    assert.deepEqual(next.steps, [{ do: 'start', partition: '1' }])
    assert.deepEqual({ ...reportOf(snapshot, next, blank(), 0) }, { 0: 'queued: waits until its file is rendered' })
  })

  it('never delays a stop: one that waits is given back at once', () => {
    const local = new Map([['0', { ...quiet, unrendered: true as const }]])
    const snapshot = snapshotOf({ local, locks: new Map([['0', locks.held(me)]]) })
    const [step] = plan(snapshot, new Map([['0', other]])).steps
    assert.equal(step?.do, 'release')
  })

  it('that was left out of a claim is not lost', t => {
    const files = stateOf(t)
    for (const id of ['0', '1']) writeFact(partitionIn(files, id).acquisition, `acquisition of ${id}`)
    writeFact(files.partition('1').rendered, 'acquisition of 1')
    const run = contextOf(null as never, files)
    const starts = ['0', '1'].map(partition => ({ partition })) as Start[]
    assert.deepEqual(withoutUnrendered(run, starts), [{ partition: '1' }])
    const facts = withRenders(files, new Map([['0', quiet]]), bootClock())
    assert.equal(facts.get('0')?.unrendered, true)
    assert.equal(withRenders(files, new Map([['0', quiet]]), bootClock() + 5000).get('0')?.unrendered, undefined)
  })
})

test('two looks that files cannot tell apart have the same mark', () => {
  const held = new Map([['0', locks.held(me)]])
  const placed = new Map([['0', me]])
  const mark = markOf(snapshotOf({ locks: held }), placed)
  assert.equal(markOf(snapshotOf({ locks: held, now: now + 5, index: 2000, revision: 950 }), placed), mark)
  const others = [
    markOf(snapshotOf({ locks: held }), new Map([['0', other]])),
    markOf(snapshotOf({ locks: new Map([['0', locks.held(other)]]) }), placed),
    markOf(snapshotOf({ locks: new Map([['0', locks.unclean(me)]]) }), placed),
    markOf(snapshotOf({ locks: held, members: [memberOne(me), memberOne(other, { absence: 'drained' })] }), placed),
    markOf(snapshotOf({ locks: held, partitions: new Set(['0']) }), placed),
    markOf(snapshotOf({ locks: held, documentsIndex: 7 }), placed),
    markOf(snapshotOf({ locks: held, local: new Map([['0', quiet]]) }), placed),
  ]
  assert.equal(new Set([mark, ...others]).size, others.length + 1)
})

test('a tick asks two small questions, and a render is due when an answer is another one', async t => {
  const { consul, memory, requests } = await fakeConsul(t)
  const files = stateOf(t)
  const render = [{ template: '/none', dest: '/none/x', mode: 0o644, backups: 0 }]
  const due = () => isRenderDue(consul, { files, service: 'svc' }, render)
  assert.equal(await due(), true, 'there was none in this boot')
  memory.put('watchbill/svc/lock/0', '{}')
  const seen = {
    mark: 'm',
    locks: String(memory.index),
    reports: 'none',
    templates: templatesStamp(render),
    retryAt: null,
  }
  keepSeen(files, seen)
  requests.length = 0
  assert.equal(await due(), false)
  assert.deepEqual(requests.map(({ path }) => path).sort(), [
    '/v1/kv/watchbill/svc/lock?keys&separator=/',
    '/v1/kv/watchbill/svc/report?keys&separator=/',
  ])
  memory.put('watchbill/svc/spec/revision', '{}')
  assert.equal(await due(), false, 'what a watch reports is not asked for')
  memory.put('watchbill/svc/report/a:svc', '{}')
  assert.equal(await due(), true)
  keepSeen(files, { ...seen, templates: 'another file' })
  requests.length = 0
  assert.equal(await due(), true)
  keepSeen(files, { ...seen, retryAt: bootClock() - 1 })
  assert.equal(await due(), true)
  assert.deepEqual(requests, [], 'nobody was asked for what is due anyway')
  assert.deepEqual([1, 2, 3, 30].map(pauseAfter), [2000, 4000, 8000, 300_000])
})
