import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { enter, isWell, processes, settled, statusOf } from '../cluster/stage.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

describe('a worker of the npm library', () => {
  it('that cannot handle a resource is failing with its reason, and one that closes and lives on gives everything back', async t => {
    const cluster = await clusterFor(t, { clients: 1, settings: tunedGossip })
    const agents = cluster.agents as [Agent, Agent]
    const [s1, a1] = agents
    const file = join(cluster.root, 'mood')
    const definition = {
      name: 'work',
      partitions: { range: [0, 5] },
      run: { per: 'instance', command: [process.execPath, join(import.meta.dirname, 'moody-worker.mjs'), file] },
    }
    const work = { cluster, definition, beats: async () => [] }
    writeFileSync(`${file}.bad.1`, '')
    await enter(work, agents)
    for (const agent of agents) {
      const status = await until(
        'status to say why',
        async see => {
          const status = await statusOf(agent, 'work')
          return see(status.partitions).filter(({ state }) => state === 'running').length === 5 && status
        },
        { deadline: 40_000 },
      )
      const one = status.partitions.find(({ partition }) => partition === '1')
      assert.deepEqual([one?.state, one?.why], ['failing', 'cannot handle it: the link 1 is refused'])
      assert.equal(status.ok, false)
    }
    const check = program('status', ['work', '--check', '--http-addr', a1.http])
    await assert.rejects(check, ({ exitCode }: { exitCode: number }) => exitCode === 1)
    rmSync(`${file}.bad.1`)
    await settled(work, agents)

    const instance = instanceOf(a1, definition)
    const state = async () => (await statusOf(s1, 'work')).instances.find(one => one.instance === instance)
    assert.equal((await state())?.held, 3)
    writeFileSync(`${file}.close.${instance}`, '')
    await until('it to have nothing', async see => see(await state())?.held === 0, { deadline: 30_000 })
    await until('the other to have all', () => processes(s1, definition).size === 6)
    const status = await until('status to agree', async see => {
      const status = see(await statusOf(s1, 'work'))
      return status.problem !== null && isWell(status, [instanceOf(s1, definition)]) && status
    })
    assert.equal(
      status.problem,
      `${instance} is drained: its worker takes nothing any more (its program has called close()); to take part again: watchbill drain work ${instance} off`,
    )
    assert.equal((await state())?.state, 'drained')
    await program('partitions', ['work', 'add', 'more', '--http-addr', s1.http])
    await until('the new one to run', () => processes(s1, definition).size === 7)
    assert.equal((await state())?.held, 0)
    const { log } = instanceFiles(a1.state, instance)
    assert.match(readFact(log) ?? '', /the worker takes nothing any more \(its program has called close\(\)\): drained/)
    assert.doesNotMatch(readFact(log) ?? '', /stopped as a whole/)

    rmSync(`${file}.close.${instance}`)
    await program('drain', ['work', instance, 'off', '--http-addr', s1.http])
    await settled(work, agents)
  })
})
