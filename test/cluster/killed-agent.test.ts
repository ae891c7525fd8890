import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tunedGossip } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { enter, faultless, processes, range, settled, stage } from './stage.ts'

test("a killed agent's processes are stopped, and then run elsewhere, never at once", async t => {
  const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
  const { agents } = cluster
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 5] }, lease: '7s', stop: { grace: '2s' } })
  await enter(work, agents)
  await settled(work, agents)
  const victim = cluster.agent('a2')
  const others = agents.filter(agent => agent !== victim)
  assert.equal(processes(victim, work.definition).size, 2)

  await victim.stop('SIGKILL')
  await until('its processes to stop', () => processes(victim, work.definition).size === 0, { deadline: 15_000 })
  await settled(work, others)
  await faultless(work, range(6))

  await victim.start()
  await settled(work, agents)
  await faultless(work, range(6))
})
