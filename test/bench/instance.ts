/**
 * 10,000 partitions on three instances with one process each, of a program that uses watchbill/worker: the first full
 * start, one that is added, a fourth instance, kill -9 of a process; and what all that costs when nothing happens.
 * COUNT=1000 npm run bench -- instance: so many.
 */
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bootClock } from '../../lib/clock.ts'
import { parseProcess } from '../../lib/process/identity.ts'
import { readLine } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/instance.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { configure, guardCommand, instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly, paired, type Row, told } from './bench.ts'
import { type Handling, Journal, overlapping } from './instance/journal.ts'

const count = Number(process.env.COUNT ?? 10_000)
const quietSeconds = 20

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 3 })
  const file = join(cluster.root, 'journal')
  writeFileSync(file, '')
  const journal = new Journal(file)
  const command = [process.execPath, join(import.meta.dirname, 'instance/worker.ts'), file]
  const definition = { name: 'links', partitions: { range: [0, count - 1] }, run: { per: 'instance', command } }
  const workerOf = (agent: Agent) =>
    parseProcess(readLine(instanceFiles(agent.state, instanceOf(agent, definition)).worker.process))?.pid ?? 0
  const handled = (what: string, ids: number) =>
    until(what, see => see(new Set(journal.now().map(({ id }) => id)).size) === ids, { every: 100, deadline: 180_000 })
  try {
    const three = cluster.agents.slice(0, 3)
    const [first, second, , fourth] = cluster.agents as [Agent, Agent, Agent, Agent]
    const rows: Row[] = []
    for (const agent of cluster.agents.slice(0, 3)) await configure(agent, definition)

    progress(`${count} partitions start on three instances`)
    const begun = bootClock()
    await Promise.all(three.map(agent => agent.reload()))
    await handled('all to be handled', count)
    rows.push(atMost(10, 'first full start, from the reload on', (latest(journal.all) - begun) / 1000, 's'))
    await balanced(journal, () => three.map(workerOf))

    progress('one is added')
    const added = bootClock()
    await program('partitions', ['links', 'add', 'new', '--http-addr', first.http])
    await handled('the new one to be handled', count + 1)
    rows.push(atMost(1, 'one added: handled after', (latest(journal.all) - added) / 1000, 's'))

    progress('the guard ticks')
    const [tick] = await paired(9, [{ name: 'guard', argv: guardCommand(first, definition) }])
    rows.push(atMost(0.4, "the guard's tick, median", (tick?.wallMedian ?? Number.NaN) / 1000, 's'))

    progress(`${quietSeconds} s in which nothing happens`)
    const [seconds, from] = [await cpuSeconds(workerOf(first)), bootClock()]
    await until('the quiet time to pass', () => bootClock() - from > quietSeconds * 1000, { deadline: 60_000 })
    rows.push(
      told('CPU of a worker at rest', ((await cpuSeconds(workerOf(first))) - seconds) / quietSeconds, 'cores'),
      told('memory of a worker at rest, PSS', (await pss(workerOf(first))) / 1024, 'MiB'),
    )

    progress('a fourth instance joins')
    const before = journal.all.length
    const joined = bootClock()
    await configure(fourth, definition)
    await fourth.reload()
    await balanced(journal, () => cluster.agents.map(workerOf))
    const moved = journal.all.slice(before)
    rows.push(
      exactly(Math.floor((count + 1) / 4), 'moved by the join', moved.length),
      atMost(
        10,
        'from the first to the last of those',
        (latest(moved) - Math.min(...moved.map(({ from }) => from))) / 1000,
        's',
      ),
      told('from the reload to the last', (latest(moved) - joined) / 1000, 's'),
    )

    progress('kill -9 of a process')
    const pid = workerOf(second)
    const lost = journal.now().filter(({ pid: own }) => own === pid).length
    process.kill(pid, 'SIGKILL')
    const at = bootClock()
    journal.killed(pid, at)
    await handled('all to be handled again', count + 1)
    rows.push(
      told('partitions of the process that was killed', lost),
      atMost(2, 'handled again after', (latest(journal.all) - at) / 1000, 's'),
      exactly(0, 'two at once', overlapping(journal.all)),
    )
    return rows
  } finally {
    await cluster.close()
  }
}

export default bench

function latest(all: readonly Handling[]): number {
  return all.reduce((last, { from }) => Math.max(last, from), 0)
}

/** Waits until the processes have as many each, but for one. */
async function balanced(journal: Journal, pids: () => number[]): Promise<void> {
  await until(
    'the loads to be even',
    see => {
      const now = journal.now()
      const loads = pids().map(own => now.filter(({ pid }) => pid === own).length)
      const whole = loads.reduce((sum, load) => sum + load, 0) === new Set(now.map(({ id }) => id)).size
      return see(Math.max(...loads) - Math.min(...loads)) <= 1 && whole && loads.every(load => load > 0)
    },
    { every: 100, deadline: 180_000 },
  )
}

async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** KiB */
async function pss(pid: number): Promise<number> {
  return Number(/^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
}
