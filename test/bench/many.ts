/** 500 partitions of `sleep` on one instance: how fast they start, and what they cost when nothing happens. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { bootClock } from '../../lib/clock.ts'
import { parseProcess } from '../../lib/process/identity.ts'
import { readLine } from '../../lib/state/facts.ts'
import { instanceFiles, localPartitions } from '../../lib/state/instance.ts'
import { processes, settled } from '../cluster/stage.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { configure, home, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly, median, paired, told } from './bench.ts'

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
    const [tick] = await paired(15, [{ name: 'guard', argv: guardCommand(agent) }])

    progress(`${quietSeconds} s in which nothing happens`)
    const shepherds = shepherdsOf(agent)
    const before = ticksOf(shepherds)
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
    const cores = (ticksOf(shepherds) - before) / 100 / ((bootClock() - from) / 1000)
    return [
      told('first started, from the reload on', (first - begun) / 1000, 's'),
      atMost(10, 'all started, from the reload on', (all - begun) / 1000, 's'),
      atMost(0.3, "the guard's tick, median", (tick?.wallMedian ?? Number.NaN) / 1000, 's'),
      atMost(0.1, 'cores of all shepherds, idle', cores),
      atMost(256, 'PSS of a shepherd and its timer, mean', pss(shepherds) / count, 'KiB'),
      exactly(0, 'node processes between events, median', median(node)),
    ]
  } finally {
    await cluster.close()
  }
}

export default bench

/** The guard's command as Consul runs it. */
function guardCommand(agent: Agent): string[] {
  const file = readFileSync(`${agent.configDir}/watchbill-many.json`, 'utf8')
  return JSON.parse(file).services[0].checks[0].args as string[]
}

function shepherdsOf(agent: Agent): number[] {
  const files = instanceFiles(agent.state, instanceOf(agent, definition))
  return localPartitions(files).flatMap(id => parseProcess(readLine(files.partition(id).shepherd))?.pid ?? [])
}

/** The children of a process that are no partition's process: the shepherd's timer. */
function timersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
  return children.filter(child => !readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('100000'))
}

/** CPU of the shepherds and of the children they have waited for, in clock ticks of 10 ms. */
function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return sum + [11, 12, 13, 14].reduce((own, at) => own + (fields[at] as number), 0)
  }, 0)
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
