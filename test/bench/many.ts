/** 500 partitions of `sleep` on one instance: how fast they start, and what they cost when nothing happens. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { parseProcess } from '../../lib/machine/identity.ts'
import { endClock } from '../../lib/state/clock.ts'
import { readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { type InstanceFiles, instanceFiles, localPartitions } from '../../lib/state/paths.ts'
import { processes, settled } from '../cluster/stage.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { configure, guardCommand, home, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly, median, paired, told } from './bench.ts'
import { cgroupOf } from './cgroups/cgroup.ts'

const count = 500
const quietSeconds = 30
const definition = {
  name: 'many',
  partitions: { range: [0, count - 1] },
  run: { command: ['sleep', '100000'] },
}

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 0 })
  try {
    const agent = cluster.agent('s1')
    const stage = { cluster, definition, beats: async () => [] }
    progress(`${count} partitions start`)
    await configure(agent, definition)
    const begun = bootClock()
    await agent.reload()
    await until('the first process', () => processes(agent, definition).size > 0, { deadline: 30_000, every: 50 })
    const first = bootClock()
    await until('all processes', () => processes(agent, definition).size === count, { deadline: 60_000, every: 200 })
    const all = bootClock()
    await settled(stage, [agent])

    progress('the guard ticks')
    const [tick] = await paired(15, [{ name: 'guard', argv: guardCommand(agent, definition) }])

    progress(`${quietSeconds} s in which nothing happens`)
    const shepherds = shepherdsOf(agent)
    const node: number[] = []
    const from = bootClock()
    await until(
      'the quiet time to pass',
      () => {
        node.push(nodeProcesses(agent))
        return bootClock() - from > quietSeconds * 1000
      },
      { deadline: quietSeconds * 2000, every: 50 },
    )
    const files = filesOf(agent)
    await until('all to go by the clock', () => shepherds.every(pid => timersOf(pid).length === 0), {
      ...{ deadline: 60_000, every: 500 },
    })
    const memory = (pss(shepherds) + pss([clockOf(files)])) / count
    progress(`what the shepherds cost: ${quietSeconds} s without the agent, and as many without the clock`)
    const cores = await coresOf(shepherds, agent, async measured => {
      const clocked = await measured()
      endClock(files.clock)
      await until('all to have a timer', () => shepherds.every(pid => timersOf(pid).length > 0), { deadline: 60_000 })
      const timers = await measured()
      return { clocked, timers, memory: pss(shepherds) / count }
    })
    return [
      told('first started, from the reload on', (first - begun) / 1000, 's'),
      atMost(10, 'all started, from the reload on', (all - begun) / 1000, 's'),
      atMost(0.3, "the guard's tick, median", (tick?.wallMedian ?? Number.NaN) / 1000, 's'),
      atMost(0.005, 'cores of all shepherds and their clock, idle', cores.clocked),
      told('the same with a timer each', cores.timers),
      atMost(160, 'PSS of a shepherd and its part of the clock, mean', memory, 'KiB'),
      told('PSS of a shepherd and a timer of its own, mean', cores.memory, 'KiB'),
      exactly(0, 'node processes between events, median', median(node)),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench

const filesOf = (agent: Agent) => instanceFiles(agent.state, instanceOf(agent, definition))

function clockOf(files: InstanceFiles): number {
  return Number(readFact(files.clock.promise)?.split(' ')[0])
}

function shepherdsOf(agent: Agent): number[] {
  const files = filesOf(agent)
  return localPartitions(files).flatMap(id => parseProcess(readLine(files.partition(id).shepherd))?.pid ?? [])
}

/** The children of a process that are no partition's process: the shepherd's timer. */
function timersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
  return children.filter(child => !commandLine(child).includes('100000'))
}

/**
 * The CPU of the shepherds, their clock and their timers, by a cgroup of their own: their counters in /proc go in steps of
 * 10 ms, which a timer never reaches. Consul is stopped, and the lease renewed by hand.
 * @param use what measures: cores in the quiet time that then begins
 */
async function coresOf<T>(
  shepherds: readonly number[],
  agent: Agent,
  use: (measured: () => Promise<number>) => Promise<T>,
): Promise<T> {
  const files = filesOf(agent)
  const { pid } = agent
  if (pid === null) throw new Error('the agent is gone')
  const group = cgroupOf([...shepherds, clockOf(files)])
  process.kill(pid, 'SIGSTOP')
  const renew = () => writeFact(files.lease, `${bootId()} ${bootClock()}`)
  renew()
  const renewing = setInterval(renew, 2000)
  try {
    return await use(async () => {
      const [from, before] = [bootClock(), group.cpuSeconds()]
      await delay(quietSeconds * 1000)
      return (group.cpuSeconds() - before) / ((bootClock() - from) / 1000)
    })
  } finally {
    clearInterval(renewing)
    process.kill(pid, 'SIGCONT')
    group.dissolve()
  }
}

/** Empty for a timer that has just ended. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function pss(pids: readonly number[]): number {
  const of = (pid: number) => {
    try {
      return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      return 0 // a timer that has just ended
    }
  }
  return pids.flatMap(pid => [pid, ...timersOf(pid)]).reduce((sum, pid) => sum + of(pid), 0)
}

/** Node processes of this lab's programs. */
function nodeProcesses(agent: Agent): number {
  const own = (pid: string) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return basename(line.split('\0')[0] ?? '') === 'node' && line.includes(home) && line.includes(agent.state)
    } catch {
      return false
    }
  }
  return readdirSync('/proc').filter(name => /^\d+$/.test(name) && own(name)).length
}
