import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionStatus } from '../../lib/operate/status/partitions.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { changed, everywhere, neverTwice, processes, stage, statusOf } from './stage.ts'

test('maxPartitions caps an instance, and what fits nowhere says why', async t => {
  const cluster = await clusterFor(t, { clients: 1 })
  const [s1, a1] = cluster.agents as [Agent, Agent]
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 3] }, stop: { grace: '1s' } })
  const capped = (agent: Agent, maxPartitions: number) => install(agent, { ...work.definition, maxPartitions })
  /** Waits until each agent runs so many, and the rest is unassigned. @returns those left over */
  const run = (onS1: number, onA1: number): Promise<PartitionStatus[]> =>
    until(
      `${onS1} on s1, ${onA1} on a1`,
      async see => {
        const { partitions, summary } = await statusOf(a1, 'work')
        const counts = [s1, a1].map(agent => processes(agent, work.definition).size)
        see([summary, ...counts])
        const running = partitions.filter(({ state }) => state === 'running').length
        const left = partitions.filter(({ state, instance }) => state === 'unassigned' && instance === null)
        const all = running === onS1 + onA1 && running + left.length === partitions.length
        return String(counts) === String([onS1, onA1]) && all && left
      },
      { deadline: 30_000 },
    )
  const whys = (left: readonly PartitionStatus[]) => [...new Set(left.map(({ why }) => why))]

  await capped(s1, 1)
  await capped(a1, 1)
  assert.deepEqual(whys(await run(1, 1)), ['every member has its maxPartitions: raise it, or add an instance'])

  await t.test('who is away is named too', async () => {
    await program('drain', ['work', 'a1:work', '--http-addr', s1.http])
    assert.deepEqual(whys(await run(1, 0)), [
      'every member has its maxPartitions: raise it, or add an instance; a1:work is drained; watchbill drain work a1:work off',
    ])
    await program('drain', ['work', 'a1:work', 'off', '--http-addr', s1.http])
    await run(1, 1)
  })

  await t.test('a partition that is held leaves its place to another', async () => {
    const held = [...processes(s1, work.definition).keys()][0] as string
    await program('hold', ['work', held, '--http-addr', s1.http])
    await until('another to take its place', see => {
      const now = see([...processes(s1, work.definition).keys()])
      return now.length === 1 && now[0] !== held
    })
    await program('unhold', ['work', held, '--http-addr', s1.http])
    await run(1, 1)
  })

  await t.test('a raised cap takes more, and a lowered one gives them up; the rest goes on', async () => {
    await capped(s1, 3)
    assert.deepEqual(await run(3, 1), [])
    const before = everywhere(work, [s1, a1])
    await capped(s1, 1)
    const left = (await run(1, 1)).map(({ partition }) => partition)
    assert.deepEqual(changed(before, everywhere(work, [s1, a1])).sort(), left)
    await neverTwice(work)
  })
})
