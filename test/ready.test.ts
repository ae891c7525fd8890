import assert from 'node:assert/strict'
import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { reportOf } from '../lib/act/report.ts'
import { lineOf } from '../lib/base/worker-line.ts'
import type { Definition } from '../lib/definition/definition.ts'
import { parseDefinition } from '../lib/definition/load.ts'
import { writeFact } from '../lib/state/facts.ts'
import { withReadiness } from '../lib/state/ready.ts'
import { saysClosed, saysFailing, saysReady } from '../lib/state/worker-said.ts'
import { enter, processes, settled, statusOf } from './cluster/stage.ts'
import { definition, heldBy, locals, me, snapshotOf } from './fixtures/cluster.ts'
import { partitionIn, stateOf } from './fixtures/state.ts'
import type { Agent } from './lab/cluster.ts'
import { clusterFor } from './lab/in-tests.ts'
import { instanceOf, program } from './lab/install.ts'
import { until } from './lab/until.ts'

const acquisition = heldBy(me).acquisition
const confirm: Definition = { ...definition, ready: 'confirm' }
const byCheck: Definition = { ...definition, ready: 'check:progress' }

describe('what has to say that it is ready', () => {
  it('starts until the file that it was given is there, younger than the end of the process before', t => {
    const files = stateOf(t)
    const own = partitionIn(files, '0')
    const words = () => withReadiness(files, new Map([['0', locals.running()]]), confirm).get('0')?.unready
    assert.equal(words(), 'starting: waits for its process to confirm that it is ready')
    writeFileSync(own.ready, '')
    assert.equal(words(), undefined)
    writeFileSync(own.exit, 'exit 1 after 2 s at 3\n')
    utimesSync(own.ready, 1, 1)
    assert.equal(words(), 'starting: waits for its process to confirm that it is ready')
  })

  it('starts until its check has passed in this acquisition', t => {
    const files = stateOf(t)
    const own = partitionIn(files, '0')
    const words = () => withReadiness(files, new Map([['0', locals.running()]]), byCheck).get('0')?.unready
    writeFact(own.ready, 'an earlier one')
    assert.equal(words(), 'starting: waits for check progress')
    writeFact(own.ready, acquisition)
    assert.equal(words(), undefined)
  })

  it('stands in the report from before it is claimed', () => {
    const local = new Map([['0', locals.running({ unready: 'starting: waits for check progress' })]])
    const steps = [{ do: 'claim', partition: '1', index: 1, takeover: false }] as const
    const plan = { steps, sentence: '', waits: new Map(), incoming: 0, queued: [] }
    const report = reportOf(snapshotOf({ definition: byCheck, local }), plan, {}, 0)
    const words = 'starting: waits for check progress'
    assert.deepEqual({ ...report }, { 0: words, 1: words })
    assert.deepEqual({ ...reportOf(snapshotOf(), plan, {}, 0) }, {})
  })
})

describe('the field ready', () => {
  const file = (more: object) =>
    parseDefinition(
      JSON.stringify({ name: 'svc', partitions: { count: 1 }, run: { command: ['w'] }, ...more }),
      'svc.json',
    )
  const checks = [{ name: 'Well', id: 'well', ttl: '5m' }]

  it('is confirm, or names a check by its id; a definition without it is what it was', async () => {
    assert.equal((await file({ ready: 'confirm' })).ready, 'confirm')
    assert.equal((await file({ ready: 'check:well', checks })).ready, 'check:well')
    assert.equal('ready' in (await file({})), false)
  })

  for (const [ready, why] of [
    ['check:gone', /ready: names no check of this definition; there are well$/],
    ['yes', /ready: cannot be "yes"; give "confirm", or "check:" and the id of one of the checks$/],
    [true, /ready: cannot be true; give "confirm"/],
  ] as const) {
    it(`cannot be ${ready}`, () => assert.rejects(file({ ready, checks }), why))
  }
})

describe('what a worker says', () => {
  const handed = lineOf({ id: 'a', token: '7', document: null, since: '2026-01-01T00:00:00.000Z' })
  const said = (value: object) => JSON.stringify(value)

  it('counts for the very line that it was handed', () => {
    const all = `${said({ id: 'a', token: '7', failing: 'no\nway\u001b[2J' })}\n`
    assert.equal(saysFailing(all, handed), 'no way [2J')
    assert.equal(saysFailing(all.replace('"7"', '"6"'), handed), null)
    assert.equal(saysFailing(said({ ...JSON.parse(handed), since: 'later', failing: 'no' }), handed), null)
    assert.equal(saysReady(said({ ...JSON.parse(handed), ready: true }), handed), true)
    assert.equal(saysReady(said({ ...JSON.parse(handed), ready: 'yes' }), handed), false)
    assert.equal(saysReady(all, null), false)
  })

  it('is nothing when it is garbage', () => {
    for (const text of [null, '', 'oh no', '[]', 'null\n"a"\n{"id":7}', `{"closed":true}\n${said({ id: 'a' })}`]) {
      assert.deepEqual([saysClosed(text), saysFailing(text, handed), saysReady(text, handed)], [null, null, false])
    }
    assert.equal(saysClosed(`oh no\n${said({ closed: '' })}`), 'it does not say why')
  })
})

describe('on running agents', () => {
  it('a partition counts as running, and a move as done, once it says so; what runs where is the same', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const agents = cluster.agents as [Agent, Agent]
    const [s1, a1] = agents
    const file = join(cluster.root, 'mood')
    const run = { command: [process.execPath, join(import.meta.dirname, 'ready-worker.mjs'), file] }
    const partitions = { range: [0, 3] }
    const command = ['/bin/sh', '-c', `test -e ${file}.go || exit 1`]
    const definitions = [
      { name: 'word', partitions, run, ready: 'confirm' },
      { name: 'said', partitions, run, ready: 'check:progress', checks: [{ name: 'progress', ttl: '5m' }] },
      { name: 'seen', partitions, run, ready: 'check:well', checks: [{ name: 'well', command, interval: '1s' }] },
    ]
    const all = definitions.map(definition => ({ cluster, definition, beats: async () => [] }))
    const shown = async (agent: Agent, name: string) => {
      const { partitions, ok } = await statusOf(agent, name)
      // Of one that runs, its check says the rest.
      return [ok, ...new Set(partitions.map(({ state, why }) => (state === 'running' ? state : `${state}: ${why}`)))]
    }
    const words = ['its process to confirm that it is ready', 'check progress', 'check well']
    const unready = (at: number) => [false, `starting: waits for ${words[at]}`].join()
    for (const one of all) await enter(one, agents)
    for (const [at, { definition }] of all.entries()) {
      await until(`${definition.name} to have its processes`, () => {
        return agents.every(agent => processes(agent, definition).size === 2)
      })
      for (const agent of agents)
        await until(`${definition.name} not to be ready`, async see => {
          return see(await shown(agent, definition.name)).join() === unready(at)
        })
    }
    const check = program('status', ['said', '--check', '--http-addr', a1.http])
    await assert.rejects(check, ({ exitCode }: { exitCode: number }) => exitCode === 1)
    writeFileSync(`${file}.go`, '')
    for (const one of all) await settled(one, agents)

    rmSync(`${file}.go`)
    for (const { definition } of all)
      await program('drain', [definition.name, instanceOf(a1, definition), 'on', '--http-addr', s1.http])
    for (const [at, { definition }] of all.entries()) {
      await until(`the move of ${definition.name} not to be done`, async see => {
        const { instances } = see(await statusOf(s1, definition.name))
        const states = (await shown(s1, definition.name)).sort().join()
        return (
          instances.some(({ held }) => held === 4) &&
          states === ['false', 'running', `starting: waits for ${words[at]}`].join()
        )
      })
    }
    writeFileSync(`${file}.go`, '')
    for (const { definition } of all)
      await until(
        `${definition.name} to be ready`,
        async see => see(await shown(s1, definition.name)).join() === 'true,running',
      )
  })
})
