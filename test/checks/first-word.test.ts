import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { registerBeforeStart } from '../../lib/checks/first-word.ts'
import { sayHow } from '../../lib/operate/say.ts'
import { enter, processes, statusOf } from '../cluster/stage.ts'
import { definition } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const progress = { id: 'progress', name: 'progress', ttlMs: 60_000 }
const reporting = { ...definition, checks: [progress] as unknown as typeof definition.checks }

describe('the first word of a process', () => {
  it('is heard by the agent, also as its first act, and stays', async t => {
    const cluster = await clusterFor(t, { clients: 0 })
    const [s1] = cluster.agents as [Agent]
    const file = join(cluster.root, 'answers')
    writeFileSync(file, '')
    const ids = Array.from({ length: 6 }, (_, id) => String(id))
    const work = {
      cluster,
      definition: {
        name: 'work',
        partitions: { list: ids },
        run: { command: [process.execPath, join(import.meta.dirname, 'first-word-worker.mjs'), file] },
        checks: [{ name: 'progress', ttl: '5m' }],
      },
      beats: async () => [],
    }
    await enter(work, [s1])
    const answers = () => readFileSync(file, 'utf8').trim().split('\n').sort()
    await until('all to have spoken', see => see(answers()).length === ids.length, { deadline: 30_000 })
    assert.deepEqual(
      answers(),
      ids.map(id => `${id} 200`),
    )
    await until('status to say what they said', async see => {
      const { partitions } = await statusOf(s1, 'work')
      return see(partitions).filter(({ state }) => state === 'critical').length === ids.length
    })
    assert.equal(processes(s1, work.definition).size, ids.length)
  })

  it('is expected once, by what the agent was told last', async t => {
    const fake = await fakeConsul(t)
    const { consul, requests } = fake
    fake.script = () => ({})
    const files = stateOf(t)
    for (const id of ['0', '1']) partitionIn(files, id)
    await registerBeforeStart(contextOf(consul, files), reporting, ['0', '1'])
    assert.equal(requests.length, 2)
    await registerBeforeStart(contextOf(consul, files), reporting, ['0', '1'])
    assert.equal(requests.length, 2)
    assert.match(readFileSync(files.partition('0').registered, 'utf8'), /^false\n/)
  })

  for (const [how, script] of [
    ['refuses', () => ({ status: 500, text: 'no' })],
    ['does not answer', () => new Promise<undefined>(() => {})],
  ] as const) {
    it(`keeps no process from its start when the agent ${how}`, async t => {
      const fake = await fakeConsul(t)
      const files = stateOf(t)
      const ids = Array.from({ length: 40 }, (_, id) => String(id))
      for (const id of ids) partitionIn(files, id)
      fake.script = script
      const begun = performance.now()
      await registerBeforeStart(contextOf(fake.consul, files), reporting, ids)
      const took = performance.now() - begun
      assert.ok(took < 1500, `it took ${took} ms`)
      assert.ok(fake.requests.length <= 8, 'it went on')
    })
  }

  it('is said again by `pass` until the agent knows the check, but only by the process itself', async t => {
    const fake = await fakeConsul(t)
    const own = { WATCHBILL_INSTANCE: 'a:svc', WATCHBILL_PARTITION: '0', CONSUL_HTTP_ADDR: fake.consul.address.origin }
    const before = { ...process.env }
    Object.assign(process.env, own)
    t.after(() => {
      process.env = before
    })
    fake.script = () => (fake.requests.length < 3 ? { status: 500, text: 'CheckID does not have associated TTL' } : {})
    await sayHow('pass', { check: 'progress' })
    assert.equal(fake.requests.length, 3)
    fake.script = () => ({ status: 500, text: 'CheckID does not have associated TTL' })
    await assert.rejects(sayHow('pass', { check: 'progress', partition: '0' }), /the agent has no such check/)
    assert.equal(fake.requests.length, 4)
  })
})
