import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { changed, enter, everywhere, neverTwice, processes, stage, statusOf } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { hookTo, toldIn } from './hooks.ts'

/** A check that fails for the partition "7" only, as long as `more` lets it. */
const sick = (more: Record<string, unknown>) => ({
  name: 'well',
  command: ['/bin/sh', '-c', 'test "$WATCHBILL_PARTITION" != 7 || exit 2'],
  interval: '1s',
  timeout: '10s', // a busy machine is no sick one
  ...more,
})

describe('one sick partition', () => {
  test('of 30 on an instance is restarted; the other 29 keep their pid', async t => {
    const cluster = await clusterFor(t, { clients: 0 })
    const s1 = cluster.agent('s1')
    const file = join(cluster.root, 'told')
    const work = stage(cluster, 'work', 'quiet', {
      partitions: { range: [0, 29] },
      checks: [sick({ onFailure: [hookTo(file), 'restart'] })],
    })
    await enter(work, [s1])
    const all = new Map<string, string>()
    await until(
      'all to have run, and the sick one again',
      see => {
        // The first process of each; the sick one may be restarted before the last has started.
        for (const [id, process] of everywhere(work, [s1])) if (!all.has(id)) all.set(id, process)
        return see(all.size) === 30 && toldIn(file).length > 0 && changed(all, everywhere(work, [s1])).length > 0
      },
      { deadline: 60_000, every: 50 },
    )
    await until('all to run', see => see(processes(s1, work.definition).size) === 30)
    assert.deepEqual(changed(all, everywhere(work, [s1])), ['7'])
    const { partitions } = await statusOf(s1, 'work')
    assert.match(partitions.find(({ partition }) => partition === '7')?.why ?? '', /well.*critical/)
    assert.deepEqual(
      toldIn(file).map(({ Partition, Event }) => [Partition, Event]),
      [['7', 'onFailure']],
    )
    await neverTwice(work)
  })

  test('that is sick everywhere moves as often as it may within an hour, then it stays and says so', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const agents = cluster.agents as [Agent, Agent]
    const work = stage(cluster, 'work', 'quiet', {
      partitions: { list: ['6', '7', '8', '9'] },
      checks: [sick({ onFailure: 'release', coolDown: '1s', movesPerHour: 3 })],
    })
    await enter(work, agents)
    const holders: string[] = []
    const status = await until(
      'it to stay',
      async see => {
        const [holder] = agents.filter(agent => processes(agent, work.definition).has('7')).map(({ name }) => name)
        if (holder !== undefined && holder !== holders.at(-1)) holders.push(holder)
        see(holders)
        const now = await statusOf(agents[0], 'work')
        return (
          now.partitions.some(({ partition, why }) => partition === '7' && /3 times within an hour/.test(why)) && now
        )
      },
      { deadline: 120_000, every: 50 },
    )
    assert.equal(holders.length, 4, holders.join(' → '))
    assert.equal(status.partitions.find(({ partition }) => partition === '7')?.instance, `${holders.at(-1)}:work`)
    for (const agent of agents) {
      assert.match(
        JSON.stringify((await statusOf(agent, 'work')).partitions),
        /stays here: check well of 7 was critical/,
      )
    }
    await neverTwice(work)
  })
})
