import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { released } from '../../lib/act/incoming.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { me, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul, type Reply } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

describe('waiting for what others hand over', () => {
  it('asks Consul for what is released after the look, and tells of it', async t => {
    const fake = await fakeConsul(t)
    const answer = Promise.withResolvers<Reply>()
    fake.script = () => answer.promise
    const waits = released(contextOf(fake.consul, stateOf(t)), snapshotOf({ index: 77 }), bootClock() + 5000)
    const path = await until('the question', () => fake.requests[0]?.path)
    assert.match(path, new RegExp(`^/v1/kv/watchbill/svc/wake/${encodeURIComponent(me)}/\\?keys&index=77&wait=\\d+ms$`))
    answer.resolve({ text: ['a key'] })
    assert.equal(await waits, true)
  })

  it('ends when another handler leaves its mark', async t => {
    const fake = await fakeConsul(t)
    fake.script = () => new Promise(() => {})
    const files = stateOf(t)
    const waits = released(contextOf(fake.consul, files), snapshotOf(), bootClock() + 60_000)
    await until('the question', () => fake.requests[0]?.path)
    writeFact(`${files.directory}/handler.mark`, '1')
    assert.equal(await waits, false)
  })

  it('ends when Consul does not answer, or answers wrong', async t => {
    const fake = await fakeConsul(t)
    fake.script = () => ({ status: 500 })
    assert.equal(await released(contextOf(fake.consul, stateOf(t)), snapshotOf(), bootClock() + 60_000), false)
    fake.script = () => new Promise(() => {})
    assert.equal(await released(contextOf(fake.consul, stateOf(t)), snapshotOf(), bootClock() + 100), false)
    assert.equal(await released(contextOf(fake.consul, stateOf(t)), snapshotOf(), bootClock()), false)
  })
})
