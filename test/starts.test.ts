import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { act } from '../lib/act/act.ts'
import { reportOf } from '../lib/act/report.ts'
import { bootClock } from '../lib/base/clock.ts'
import type { Definition } from '../lib/definition/definition.ts'
import { statusOf } from '../lib/operate/status/status.ts'
import { plan } from '../lib/plan/plan.ts'
import { freeStarts } from '../lib/plan/starts.ts'
import { extendLease } from '../lib/state/lease.ts'
import type { Local } from '../lib/state/local.ts'
import { definition, locals, locks, me, memberOne, now, sessionOf, snapshotOf } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { contextOf, stateOf } from './fixtures/state.ts'
import { killMarked } from './lab/marked.ts'

const limited: Definition = { ...definition, startsAtOnce: 3 }
const ids = ['0', '1', '2', '3', '4']
const process = { pid: 4, start: String((now - 200) / 10) }
const young = () => locals.running({ process })

/** An instance that holds five partitions, of which these are here already. */
function holding(here: Readonly<Record<string, Local>>, of = limited) {
  return snapshotOf({
    definition: of,
    members: [memberOne(me)],
    partitions: new Set(ids),
    locks: new Map(ids.map(id => [id, locks.held(me)])),
    local: new Map(ids.map(id => [id, here[id] ?? locals.quiet()])),
  })
}

const planned = (...given: Parameters<typeof holding>) => plan(holding(...given), new Map(ids.map(id => [id, me])))
const started = ({ steps }: ReturnType<typeof plan>) =>
  steps.flatMap(step => (step.do === 'start' ? [step.partition] : []))

describe('starts', () => {
  it('are all made at once where the definition sets no limit', () => {
    assert.deepEqual(started(planned({}, definition)), ids)
  })

  it('are no more at once than the definition says; the others say that they wait', () => {
    const look = planned({ 4: young() })
    assert.deepEqual(started(look), ['0', '1'])
    assert.deepEqual(look.queued, ['2', '3'])
    assert.match(look.sentence, /^starts 0, 1; 2 wait their turn to start; held /)
    const report = reportOf(holding({ 4: young() }), look, {}, 0)
    assert.deepEqual({ ...report }, { 2: 'queued: 3 start at a time', 3: 'queued: 3 start at a time' })
    const { partitions, ok } = statusOf(holding({}), new Map([[me, report]]))
    const { state, why } = partitions.find(({ partition }) => partition === '2') ?? {}
    assert.deepEqual([ok, state, why], [false, 'starting', 'queued: 3 start at a time'])
  })

  it('let what could not be started pass behind the others', () => {
    const failed = locals.quiet({ status: 'cannot start: no memory' })
    assert.deepEqual(started(planned({ 0: failed, 1: failed })), ['2', '3', '4'])
  })

  const cases: [string, Partial<Local>, number][] = [
    ['has just started', { process }, 2],
    ['has no process yet', { process: null, status: 'starting' }, 2],
    ['has run for a second', { process: { pid: 4, start: String((now - 1000) / 10) } }, 3],
    ['waits to be started again', { process: null, status: 'backing off: exit 1' }, 3],
    ['crashes again and again', { process, status: 'crash-looping since 1: exit 1' }, 3],
    ['has a shepherd that is held', { process: null, status: 'starting', stopped: true }, 3],
    ['has no shepherd', { process: null, status: 'starting', shepherd: null }, 3],
  ]
  for (const [what, over, free] of cases) {
    it(`leave room for ${free} beside one that ${what}`, () => {
      assert.equal(freeStarts(holding({ 0: locals.running(over) })), free)
    })
  }

  it('of what is claimed are spread too: the locks are taken all the same', async t => {
    const { consul, memory } = await fakeConsul(t)
    const files = stateOf(t)
    t.after(() => killMarked(files.directory))
    const { keys } = snapshotOf()
    const session = memory.session(sessionOf(me), 'a')
    const free = ids.map(id => [id, locks.clean({ modifyIndex: memory.put(keys.lock(id), '{"clean":true}') })] as const)
    extendLease(files, bootClock(), bootClock())
    const snapshot = snapshotOf({
      definition: { ...limited, run: { ...definition.run, command: ['/bin/sleep', '60'] } },
      session,
      members: [memberOne(me, { session })],
      partitions: new Set(ids),
      locks: new Map(free),
      local: new Map(),
    })
    const { steps } = plan(snapshot, new Map(ids.map(id => [id, me])))
    await act(contextOf(consul, files), snapshot, steps)
    assert.deepEqual(
      ids.map(id => memory.keys.get(keys.lock(id))?.Session),
      ids.map(() => session),
    )
    assert.equal(ids.filter(id => existsSync(files.partition(id).launched)).length, 3)
  })
})
