/** 100 partitions on three agents: a fourth joins, then leaves. What moves, and how fast. */
import { bootClock } from '../../lib/base/clock.ts'
import { changed, enter, everywhere, type Stage, seenPassing, settled, stage } from '../cluster/stage.ts'
import { overlapSeconds, runs } from '../lab/beats.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly } from './bench.ts'

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 3 })
  try {
    const work = stage(cluster, 'work', 'quiet', { partitions: { range: [0, 99] } })
    const { agents } = cluster
    const three = agents.slice(0, 3)
    const fourth = agents[3] as Agent
    progress('three instances join')
    await enter(work, three)
    const first = await settled(work, three)
    const loads = first.instances.map(({ held }) => held)

    progress('a fourth joins')
    const before = everywhere(work, agents)
    const joined = bootClock()
    const [passing] = await Promise.all([seenPassing(agents[0] as Agent, fourth.name, 'work'), enter(work, [fourth])])
    await moves(work, joined)
    await settled(work, agents)
    const between = everywhere(work, agents)
    const moved = changed(before, between)
    const slowestStart = Math.max(...starts(await work.beats(), joined).map(({ at }) => at - passing)) / 1000

    progress('it leaves')
    const left = bootClock()
    await program('leave', ['work', '--state', fourth.state, '--http-addr', fourth.http])
    await moves(work, left)
    await settled(work, three)
    const back = changed(between, everywhere(work, agents))
    const slowestReturn = Math.max(...starts(await work.beats(), left).map(({ idle }) => idle)) / 1000
    return [
      exactly(1, 'largest difference between loads of three', Math.max(...loads) - Math.min(...loads)),
      exactly(25, 'processes moved by the join', moved.length),
      atMost(2, 'slowest start after the service is passing', slowestStart, 's'),
      exactly(25, 'processes moved by the leave', back.length),
      atMost(2, 'slowest start after its stop', slowestReturn, 's'),
      exactly(0, 'two owners at once', overlapSeconds(await work.beats()), 's'),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench

/** Waits for a quarter of the partitions to start anew. To ask Consul all the while would take from what is measured. */
async function moves(work: Stage, since: number): Promise<void> {
  await until('25 processes to start', async () => starts(await work.beats(), since).length >= 25, {
    every: 250,
    deadline: 30_000,
  })
}

/** The runs that began since then: when, and how long after the partition's run before them. */
function starts(beats: Awaited<ReturnType<Stage['beats']>>, since: number): { at: number; idle: number }[] {
  const all = runs(beats)
  return all
    .filter(({ from }) => from >= since)
    .map(({ partition, from }) => {
      const before = all.findLast(run => run.partition === partition && run.from < from)
      return { at: from, idle: from - (before?.to ?? from) }
    })
}
