/** An agent is killed with -9 on Consul's default gossip: when its processes are gone, and when others run them. */
import { bootClock } from '../../lib/base/clock.ts'
import { enter, processes, settled, stage } from '../cluster/stage.ts'
import { type Beat, overlapSeconds, runs } from '../lab/beats.ts'
import { startCluster } from '../lab/cluster.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly, told } from './bench.ts'

const lease = 10
const grace = 3
const wait = lease + grace + 1
const interval = 2

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 2 })
  try {
    const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 11] } })
    const { agents } = cluster
    await enter(work, agents)
    await settled(work, agents)
    const victim = cluster.agent('a2')
    const others = agents.filter(agent => agent !== victim)
    const had = [...processes(victim, work.definition).keys()]
    progress(`the agent that has ${had.length} of 12 is killed`)
    const killed = bootClock()
    await victim.stop('SIGKILL')
    const failed = await until(
      'the servers to mark it failed',
      async () => {
        const checks = await cluster.agent('s1').api<{ Status: string }[]>('GET', '/v1/health/node/a2')
        return checks.some(({ Status }) => Status === 'critical') && bootClock()
      },
      { every: 20, deadline: 30_000 },
    )
    progress(`marked failed after ${failed - killed} ms`)
    await settled(work, others)
    const beats = await work.beats()
    const gone = lastBeat(beats, had, 'a2:work') - killed
    const taken = Math.max(...had.map(id => firstAfter(beats, id, killed))) - failed
    return [
      told('marked failed after the kill', (failed - killed) / 1000, 's'),
      atMost(lease + grace + 0.5, 'last beat of its processes after the kill', gone / 1000, 's'),
      atMost(wait + interval + 1, 'all run elsewhere after it is marked failed', taken / 1000, 's'),
      exactly(0, 'two owners at once', overlapSeconds(beats), 's'),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench

function lastBeat(beats: Beat[], partitions: readonly string[], instance: string): number {
  return Math.max(
    ...runs(beats)
      .filter(run => run.instance === instance && partitions.includes(run.partition))
      .map(({ to }) => to),
  )
}

function firstAfter(beats: Beat[], partition: string, since: number): number {
  return Math.min(
    ...runs(beats)
      .filter(run => run.partition === partition && run.from > since)
      .map(({ from }) => from),
  )
}
