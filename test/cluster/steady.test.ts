import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { configure } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { changed, enter, everywhere, neverTwice, settled, stage } from './stage.ts'

test('reloads, an election, an agent restart and an upgrade restart no process', async t => {
  const cluster = await clusterFor(t, { servers: 3, clients: 1 })
  const { agents } = cluster
  const own = agents.slice(1) as [Agent, ...Agent[]]
  const work = stage(cluster, 'work', 'quiet', { partitions: { range: [0, 8] } })
  await enter(work, own)
  await settled(work, own)
  const before = everywhere(work, own)
  const unchanged = async (what: string) => {
    await settled(work, own)
    assert.deepEqual(changed(before, everywhere(work, own)), [], `${what} restarts nothing`)
  }

  await t.test('consul reload, 20 times', async () => {
    for (let i = 0; i < 20; i++) await own[i % own.length]?.reload()
    await unchanged('a reload')
  })

  await t.test('an agent restart of 3 s', async () => {
    const agent = cluster.agent('a1')
    await agent.stop('SIGTERM')
    const ended = performance.now()
    await until('3 s to pass', () => performance.now() - ended >= 3000)
    await agent.start()
    await unchanged('an agent restart')
  })

  await t.test('an upgrade of the release directory', async () => {
    for (const agent of own) await configure(agent, work.definition, '--node-binary', process.execPath)
    await unchanged('another release')
    for (const agent of own) await configure(agent, work.definition)
    await unchanged('and back')
  })

  await t.test('a leader election', async () => {
    const leader = await cluster.leader()
    await leader.stop('SIGKILL')
    await leader.start()
    await until('another leader', async () => (await cluster.leader()) !== null)
    if (own.includes(leader)) return // its own instance lost its agent: another test's case
    await unchanged('an election')
  })

  await neverTwice(work)
})
