import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { neverTwice, processes, settled, stage } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { install } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { hookTo, toldIn } from './hooks.ts'

test('an instance that is cut off tells so once its lease is over and all is stopped, and once when it is back', async t => {
  const cluster = await clusterFor(t, { clients: 1 })
  const [s1, a1] = cluster.agents as [Agent, Agent]
  const file = join(cluster.root, 'told')
  const hooks = { isolated: hookTo(file), rejoined: hookTo(file) }
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 1] }, hooks })
  await install(a1, work.definition)
  await settled(work, [a1])

  await s1.stop('SIGKILL')
  await until('the isolation to be told', () => toldIn(file).length > 0, { deadline: 40_000 })
  assert.equal(processes(a1, work.definition).size, 0, 'it was told while something ran')
  await s1.start()
  await settled(work, [a1])
  await until('the return to be told', () => toldIn(file).length > 1, { deadline: 20_000 })
  assert.deepEqual(
    toldIn(file).map(({ Event, Instance }) => [Event, Instance]),
    [
      ['isolated', 'a1:work'],
      ['rejoined', 'a1:work'],
    ],
  )
  assert.notEqual(toldIn(file)[0]?.Reason, undefined)
  await neverTwice(work)
})
