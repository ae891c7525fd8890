import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { changed, enter, everywhere, neverTwice, processes, range, settled, stage, statusOf } from '../cluster/stage.ts'
import { runs } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { hookTo, toldIn } from './hooks.ts'

const tick = 2000

function reporting(file: string): Record<string, unknown> {
  return { run: { command: [process.execPath, join(import.meta.dirname, 'reporting-worker.mjs'), file] } }
}

describe('a process that hangs', () => {
  test('is told of once, and once more when it is well; the others keep their pid', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const [s1, a1] = cluster.agents as [Agent, Agent]
    const hooks = join(cluster.root, 'hooks')
    const beats = join(cluster.root, 'work.beats')
    const work = stage(cluster, 'work', 'beating', {
      ...reporting(beats),
      partitions: { range: [0, 3] },
      checks: [{ name: 'progress', ttl: '3s', onFailure: hookTo(hooks), onPass: hookTo(hooks) }],
    })
    await enter(work, [s1, a1])
    await settled(work, [s1, a1])
    const before = everywhere(work, [s1, a1])
    const [sick, process_] = [...processes(a1, work.definition)][0] as [string, { pid: number }]
    process.kill(process_.pid, 'SIGSTOP')
    const begun = bootClock()
    const [told] = await until('the hook', () => toldIn(hooks).length > 0 && toldIn(hooks), { deadline: 15_000 })
    t.diagnostic(`told after ${bootClock() - begun} ms`)
    assert.ok(bootClock() - begun < 3000 + 2 * tick + 500, `it took ${bootClock() - begun} ms`)
    assert.equal(told?.Event, 'onFailure')
    assert.equal(told?.Partition, sick)
    assert.equal(told?.Status, 'critical')
    assert.equal(told?.PreviousStatus, 'passing')
    assert.equal(told?.Instance, 'a1:work')
    process.kill(process_.pid, 'SIGCONT')
    await until('the second hook', () => toldIn(hooks).length > 1, { deadline: 15_000 })
    // Whatever else would come, comes with the next rounds: one of them is over when its fact is younger.
    assert.deepEqual(
      toldIn(hooks).map(({ Event }) => Event),
      ['onFailure', 'onPass'],
    )
    assert.deepEqual(changed(before, everywhere(work, [s1, a1])), [])
  })

  test('with "release" another instance runs it, never two at once, and it does not come back', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const [s1, a1] = cluster.agents as [Agent, Agent]
    const beats = join(cluster.root, 'work.beats')
    const work = stage(cluster, 'work', 'beating', {
      ...reporting(beats),
      partitions: { range: [0, 3] },
      checks: [{ name: 'progress', ttl: '3s', onFailure: 'release' }],
    })
    await enter(work, [s1, a1])
    await settled(work, [s1, a1])
    const [sick, { pid }] = [...processes(a1, work.definition)][0] as [string, { pid: number }]
    process.kill(pid, 'SIGSTOP')
    await until(`${sick} to run on s1`, () => processes(s1, work.definition).has(sick), { deadline: 30_000 })
    const status = await settled(work, [s1, a1])
    assert.deepEqual(
      status.instances.map(({ held }) => held),
      [2, 2],
    )
    assert.equal(status.partitions.find(({ partition }) => partition === sick)?.instance, 's1:work')
    await neverTwice(work)
  })
})

describe('a disk that is full on one of three instances', () => {
  test('with "drain" everything runs elsewhere within 3 s, and does not come back within the cool-down', async t => {
    const cluster = await clusterFor(t, { clients: 2 })
    const agents = cluster.agents as [Agent, Agent, Agent]
    const full = join(cluster.root, 'full')
    const work = stage(cluster, 'work', 'beating', {
      partitions: { range: [0, 8] },
      checks: [
        {
          name: 'disk',
          command: ['/bin/sh', '-c', `! grep -qx "$WATCHBILL_INSTANCE" ${full} || exit 2`],
          interval: '1s',
          timeout: '10s',
          onFailure: 'drain',
          coolDown: '20s',
        },
      ],
    })
    writeFileSync(full, '')
    await enter(work, agents)
    await settled(work, agents)
    const [, a1] = agents
    const begun = bootClock()
    writeFileSync(full, 'a1:work\n')
    await until(
      'a check to be critical',
      async () => (await a1.api<unknown[]>('GET', '/v1/health/state/critical')).length > 0,
    )
    const reported = bootClock()
    const left = () => processes(a1, work.definition).size === 0
    await until('a1 to have nothing', left)
    const others = [agents[0], agents[2]]
    await until(
      'all to run elsewhere',
      () => others.flatMap(agent => [...processes(agent, work.definition).keys()]).length === 9,
    )
    t.diagnostic(`seen after ${reported - begun} ms, all elsewhere ${bootClock() - reported} ms later`)
    const starts = runs(await work.beats()).filter(({ from }) => from >= begun)
    assert.ok(Math.max(...starts.map(({ from }) => from)) - reported <= 3000, 'it took longer than 3 s')
    const status = await statusOf(a1, 'work')
    assert.equal(status.instances.find(({ instance }) => instance === 'a1:work')?.state, 'drained')
    writeFileSync(full, '')
    const back = await until('a1 to take part again', () => processes(a1, work.definition).size > 0 && bootClock(), {
      deadline: 40_000,
    })
    assert.ok(back - reported >= 18_000, `it came back after ${back - reported} ms`)
    await settled(work, agents)
    await neverTwice(work)
    assert.deepEqual(range(9), [...new Set((await work.beats()).map(({ partition }) => partition))].sort())
  })
})
