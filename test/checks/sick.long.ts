import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { changed, enter, everywhere, neverTwice, processes, settled, stage, statusOf } from '../cluster/stage.ts'
import { runs } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { hookTo, toldIn } from './hooks.ts'

/** A check that fails for the partition "7" only, once the file is there. */
const sick = (file: string, more: Record<string, unknown>) => ({
  name: 'well',
  command: ['/bin/sh', '-c', `test ! -e ${file} || test "$WATCHBILL_PARTITION" != 7 || exit 2`],
  interval: '1s',
  timeout: '10s', // a busy machine is no sick one
  ...more,
})

describe('one sick partition', () => {
  test('of 30 on an instance is restarted; the other 29 keep their pid', async t => {
    const cluster = await clusterFor(t, { clients: 0 })
    const s1 = cluster.agent('s1')
    const file = join(cluster.root, 'told')
    const flag = join(cluster.root, 'sick')
    const work = stage(cluster, 'work', 'quiet', {
      partitions: { range: [0, 29] },
      checks: [sick(flag, { onFailure: [hookTo(file), 'restart'] })],
    })
    await enter(work, [s1])
    await settled(work, [s1])
    const all = everywhere(work, [s1])
    writeFileSync(flag, '')
    await until('the hook, and another process', see =>
      see(toldIn(file).length > 0 && changed(all, everywhere(work, [s1])).length > 0),
    )
    await until('all to run', see => see(processes(s1, work.definition).size) === 30)
    assert.deepEqual(changed(all, everywhere(work, [s1])), ['7'])
    await until('status to say so', async see => {
      const { partitions } = await statusOf(s1, 'work')
      return /well.*critical/.test(see(partitions.find(({ partition }) => partition === '7')?.why) ?? '')
    })
    assert.deepEqual(
      toldIn(file).map(({ Partition, Event }) => [Partition, Event]),
      [['7', 'onFailure']],
    )
    await neverTwice(work)
  })

  test('that is sick everywhere moves as often as it may within an hour, then it stays and says so', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const agents = cluster.agents as [Agent, Agent]
    const flag = join(cluster.root, 'sick')
    const work = stage(cluster, 'work', 'quiet', {
      partitions: { list: ['6', '7', '8', '9'] },
      checks: [sick(flag, { onFailure: 'release', coolDown: '1s', movesPerHour: 3 })],
    })
    await enter(work, agents)
    await settled(work, agents)
    const before = runs(await work.beats()).length
    writeFileSync(flag, '')
    const status = await until(
      'it to stay',
      async () => {
        const now = await statusOf(agents[0], 'work')
        return now.partitions.some(({ why }) => /3 times within an hour/.test(why)) && now
      },
      { deadline: 120_000, every: 200 },
    )
    // It may also move for balance, as any other: what counts is how often it was given up.
    const coolDown = await agents[0].api<string>('GET', '/v1/kv/watchbill/work/cooldown/7?raw')
    assert.equal(JSON.parse(coolDown).moves.length, 3)
    const later = runs(await work.beats())
      .slice(before)
      .filter(({ partition }) => partition === '7')
    assert.ok(later.length >= 3, later.map(({ instance }) => instance).join(' → '))
    assert.equal(status.partitions.find(({ partition }) => partition === '7')?.instance, later.at(-1)?.instance)
    for (const agent of agents) {
      assert.match(
        JSON.stringify((await statusOf(agent, 'work')).partitions),
        /stays here: check well of 7 was critical/,
      )
    }
    await neverTwice(work)
  })
})
