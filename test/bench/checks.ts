/**
 * 200 checks on one instance, every 10 s: what they cost beside the same instance without any, in all that its agent
 * starts, Consul's own work for them included; and what the guard's tick costs when none is due.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootClock } from '../../lib/base/clock.ts'
import { readFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { settled } from '../cluster/stage.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { guardCommand, install, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, paired, ratio, told } from './bench.ts'
import { cgroupOf } from './cgroups/cgroup.ts'

const count = 200
const interval = 10_000
const rounds = 41
const measured = 4 * interval

const bare = { name: 'checks', partitions: { range: [0, count - 1] }, run: { command: ['sleep', '100000'] } }
const withChecks = (every: string) => ({
  ...bare,
  checks: [{ name: 'well', command: ['/bin/true'], interval: every, timeout: '9s' }],
})

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 0 })
  try {
    const agent = cluster.agent('s1')
    if (agent.pid === null) throw new Error('the agent is gone')
    // Before it starts anything: all that it starts then belongs to it.
    const group = cgroupOf([agent.pid])
    const cores = async (definition: typeof bare, ready: () => Promise<unknown>) => {
      await install(agent, definition)
      await settled({ cluster, definition, beats: async () => [] }, [agent])
      await ready()
      progress(`${measured / 1000} s of ${'checks' in definition ? '' : 'no '}checks`)
      const [from, before] = [bootClock(), group.cpuSeconds()]
      await until('the time to pass', () => bootClock() - from > measured, { deadline: 2 * measured, every: 1000 })
      return (group.cpuSeconds() - before) / ((bootClock() - from) / 1000)
    }
    const without = await cores(bare, async () => {})
    const busy = await cores(withChecks('10s'), () => haveRun(agent))

    await install(agent, withChecks('1h'))
    await until('none to be due', () => Number(readFact(filesOf(agent).checksDue)) - bootClock() > 5000, {
      deadline: 4 * interval, // the first of each comes within the old interval
    })
    progress(`the guard ticks beside an empty script, ${rounds} rounds`)
    const [node = '', ...guard] = guardCommand(agent, bare)
    const nothing = join(agent.folder, 'empty.cjs')
    writeFileSync(nothing, '')
    const [empty, tick] = await paired(rounds, [
      { name: 'empty', argv: [node, nothing] },
      { name: 'guard', argv: [node, ...guard] },
    ])
    group.dissolve()
    return [
      told('cores of the agent and its programs, no checks', without),
      told(`cores with ${count} checks every ${interval / 1000} s`, busy),
      atMost(0.15, 'cores of the checks', busy - without),
      told('an empty script, wall', empty?.wallMedian ?? Number.NaN, 'ms'),
      atMost(3, `guard with ${count} checks, none due, wall`, ratio(tick?.walls ?? [], empty?.walls ?? []), '×'),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench

function filesOf(agent: Agent) {
  return instanceFiles(agent.state, instanceOf(agent, bare))
}

/** Until Consul knows of each partition's check that it passes. */
async function haveRun(agent: Agent): Promise<void> {
  await until(
    'all checks to pass',
    async see => {
      const checks = await agent.api<Record<string, { Name: string; Status: string }>>('GET', '/v1/agent/checks')
      return (
        see(Object.values(checks).filter(({ Name, Status }) => Name === 'well' && Status === 'passing').length) ===
        count
      )
    },
    { deadline: 60_000, every: 500 },
  )
}
