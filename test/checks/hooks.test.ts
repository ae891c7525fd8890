import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { enter, processes, settled, stage, statusOf } from '../cluster/stage.ts'
import { runs } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { hookTo, type Told, toldIn } from './hooks.ts'

const events = [
  'acquired',
  'started',
  'exited',
  'failed',
  'releasing',
  'released',
  'joined',
  'left',
  'lost',
  'rebalanced',
]

describe('the hooks of the lifecycle', () => {
  it('tell what happens to a partition and its instance, and of a lost one exactly once', async t => {
    const cluster = await clusterFor(t, { clients: 2 })
    const agents = cluster.agents as [Agent, Agent, Agent]
    const [s1, a1, a2] = agents
    const file = join(cluster.root, 'told')
    const hooks = Object.fromEntries(events.map(event => [event, hookTo(file)]))
    const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 5] }, hooks })
    const told = (event: string, by = (_: Told) => true) => toldIn(file).filter(one => one.Event === event && by(one))
    await enter(work, agents)
    await settled(work, agents)
    await until('all to be told of as started', async see => see(told('started').length) >= 6)
    await until(
      'all instances to be told of',
      see => see(new Set(told('joined').map(({ Instance }) => Instance)).size) === 3,
    )
    assert.deepEqual([...new Set(told('started').map(({ Partition }) => Partition))].sort(), [
      '0',
      '1',
      '2',
      '3',
      '4',
      '5',
    ])
    for (const { Token } of told('acquired')) assert.match(String(Token), /^\d+$/)

    const [victim, { pid }] = [...processes(a1, work.definition)][0] as [string, { pid: number }]
    process.kill(pid, 'SIGKILL')
    const exits = () => told('exited', ({ Partition }) => Partition === victim)
    const [exited] = await until('the exit to be told', see => see(told('exited')) && exits().length > 0 && exits(), {
      deadline: 15_000,
    })
    assert.deepEqual([exited?.Signal, exited?.Code], [9, 137])

    const mine = [...processes(a1, work.definition).keys()]
    const lastOf = (id: string) =>
      toldIn(file)
        .filter(one => one.Partition === id && one.Instance === 'a1:work')
        .slice(-2)
        .map(({ Event }) => Event)
    await program('partitions', ['work', 'add', 'more', '--http-addr', s1.http])
    const [taken] = await until('the new one to be told of', () => {
      const seen = told('started', one => one.Partition === 'more')
      return seen.length > 0 && seen
    })
    await program('partitions', ['work', 'remove', 'more', '--http-addr', s1.http])
    await until('the removed one to be told of', () => told('released', one => one.Partition === 'more').length > 0)
    assert.deepEqual(
      toldIn(file).flatMap(one => (one.Partition === 'more' ? [`${one.Event} ${one.Instance}`] : [])),
      ['acquired', 'started', 'releasing', 'released'].map(event => `${event} ${taken?.Instance}`),
    )

    await program('drain', ['work', 'a1:work', 'on', '--http-addr', s1.http])
    await until('a1 to have nothing', () => processes(a1, work.definition).size === 0, { deadline: 20_000 })
    await until('all that it gave back to be told, in order', see =>
      see(mine.map(lastOf)).every(events => events.join() === 'releasing,released'),
    )
    await until('the move to be told', () => told('rebalanced', one => one.Instance === 'a1:work').length > 0)
    await program('drain', ['work', 'a1:work', 'off', '--http-addr', s1.http])
    await settled(work, agents)

    await a2.stop('SIGKILL')
    await until('the loss to be told', () => told('lost').length > 0, { deadline: 40_000 })
    await settled(work, [s1, a1])
    assert.deepEqual(
      told('lost').map(({ Lost }) => Lost),
      ['a2:work'],
    )
    await until('the move to be told', () => told('rebalanced', one => one.Instance !== 'a2:work').length > 0)

    const last = [...processes(a1, work.definition).keys()]
    await program('leave', ['work', '--state', a1.state, '--http-addr', a1.http])
    for (const id of last) assert.deepEqual(lastOf(id), ['releasing', 'released'])
    assert.deepEqual(
      told('left').map(({ Instance }) => Instance),
      ['a1:work'],
    )
    const ids = toldIn(file).map(({ EventID }) => EventID)
    assert.equal(new Set(ids).size, ids.length, 'something was told twice')
  })

  it('tell of a process that cannot start, and every agent says why; the others are not disturbed', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const [s1, a1] = cluster.agents as [Agent, Agent]
    const file = join(cluster.root, 'told')
    const beats = join(cluster.root, 'work.beats')
    const worker = join(import.meta.dirname, '../lab/worker.sh')
    const bad = `case $1 in 0) exit 7;; 1) exec /no/such/program;; *) exec /bin/sh ${worker} ${beats};; esac`
    const work = stage(cluster, 'work', 'beating', {
      partitions: { range: [0, 3] },
      run: { command: ['/bin/sh', '-c', bad, 'work', '{partition}'] },
      hooks: { failed: hookTo(file) },
    })
    await enter(work, [s1, a1])
    await until('both to have two', async () => {
      const { instances } = await statusOf(s1, 'work')
      return instances.map(({ held }) => held).join() === '2,2'
    })
    const begun = bootClock()
    const seen = await until(
      'both to be told of',
      () => new Set(toldIn(file).map(({ Partition }) => Partition)).size === 2 && toldIn(file),
      { deadline: 40_000 },
    )
    assert.deepEqual(seen.map(({ Partition }) => Partition).sort(), ['0', '1'])
    for (const agent of [s1, a1]) {
      const { partitions } = await until('status to say why', async () => {
        const status = await statusOf(agent, 'work')
        return status.partitions.filter(({ state }) => state === 'crash-looping').length === 2 && status
      })
      assert.match(partitions.find(({ partition }) => partition === '0')?.why ?? '', /exit 7/)
      assert.match(partitions.find(({ partition }) => partition === '1')?.why ?? '', /exit 127/)
    }
    const others = await until('the others to beat', async () => {
      const now = runs(await work.beats()).filter(({ to }) => to > begun)
      return new Set(now.map(({ partition }) => partition)).size === 2 && now
    })
    assert.deepEqual(others.map(({ partition }) => partition).sort(), ['2', '3'], 'another one was restarted')
  })
})
