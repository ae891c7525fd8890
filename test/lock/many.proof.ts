/** A stuck cron job on a machine with Consul's default limits. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { connectionsTo } from '../../lib/setup/doctor/gather/connections.ts'
import { makeRelease } from '../../lib/setup/release/release.ts'
import { changed, enter, everywhere, range, settled, stage } from '../cluster/stage.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { home } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { Locker } from './locker.ts'

const many = 100

it('100 waiting locks and 5 definitions share the 200 connections of a machine, and everything goes on', async t => {
  const cluster = await clusterFor(t, { servers: 1, clients: 0 })
  const agent = cluster.agent('s1')
  const port = Number(new URL(agent.http).port)
  const { DebugConfig } = await agent.api<{ DebugConfig: { HTTPMaxConnsPerClient: number } }>('GET', '/v1/agent/self')
  assert.equal(DebugConfig.HTTPMaxConnsPerClient, 200, "Consul's default")
  const works = range(5).map(n => stage(cluster, `work-${n}`, 'quiet', { partitions: { range: [0, 2] } }))
  for (const work of works) await enter(work, [agent])
  for (const work of works) await settled(work, [agent])
  const before = works.map(work => everywhere(work, [agent]))

  const { programs } = await makeRelease({ home, node: 'include', dryRun: false })
  const program = [`${programs}/watchbill`, 'lock'] as const
  const lock = (...args: string[]) => {
    const locker = new Locker(agent, ['stuck', '--verbose', '--', ...args], { program })
    t.after(() => locker.kill('SIGKILL'))
    return locker
  }
  const holder = lock('sleep', '1000')
  await holder.said('is held')
  const waiters: Locker[] = []
  while (waiters.length < many) {
    waiters.push(...range(10).map(() => lock('echo', 'its turn')))
    for (const waiter of waiters.slice(-10)) await waiter.said('waiting')
  }
  const all = bootClock()
  await until('lease and grace of everything to pass', () => bootClock() - all > 15_000, { deadline: 20_000 })
  const open = connectionsTo(port)
  t.diagnostic(`${open} connections of this machine`)
  assert.ok(open > many && open < 150, `${open} connections`)
  for (const work of works) await settled(work, [agent])
  works.forEach((work, n) => {
    assert.deepEqual(changed(before[n] as ReturnType<typeof everywhere>, everywhere(work, [agent])), [])
  })
  holder.kill('SIGTERM')
  const ended = await Promise.all(waiters.map(waiter => waiter.ended))
  assert.deepEqual(
    ended.filter(({ code, stdout }) => code !== 0 || stdout !== 'its turn\n'),
    [],
  )
})
