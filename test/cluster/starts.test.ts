import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { enter, faultless, processes, range, settled, stage, statusOf } from './stage.ts'

test('an instance that takes 30 partitions starts 10 at a time, and status says so of the others', async t => {
  const cluster = await clusterFor(t, { clients: 0 })
  const [s1] = cluster.agents as [Agent]
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 29] }, starts: { atOnce: 10 } })
  await enter(work, [s1])
  await until('status to name those that wait', async () => {
    const { partitions, ok } = await statusOf(s1, 'work')
    const waiting = partitions.filter(({ why }) => why === 'queued: 10 start at a time')
    return (
      waiting.length > 0 && !ok && waiting.every(({ state, instance }) => state === 'starting' && instance !== null)
    )
  })
  await settled(work, [s1])
  await faultless(work, range(30))
  // When the kernel started each, in ticks of 10 ms: its first beat may come much later on a busy machine.
  const begun = [...processes(s1, work.definition).values()]
    .map(({ start }) => Number(start) * 10)
    .sort((a, b) => a - b)
  assert.equal(begun.length, 30)
  // The eleventh start comes a second after the first: its process must have been up for so long.
  const closest = Math.min(...begun.slice(10).map((at, n) => at - (begun[n] as number)))
  t.diagnostic(
    `30 starts within ${(begun.at(-1) as number) - (begun[0] as number)} ms; any 11 took at least ${closest} ms`,
  )
  assert.ok(closest >= 800, `eleven starts within ${closest} ms`)
})
