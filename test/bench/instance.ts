/**
 * 10,000 partitions with documents of 1 KB on three instances with one process each, of a program that uses watchbill/worker:
 * the first full start, one that is added, a fourth instance, kill -9 of a process; and what all that costs when nothing
 * happens. COUNT=1000 npm run bench -- instance: so many. TMPDIR=/dev/shm: without the disk. (ext4 avoids the inodes of files
 * that were removed in the last minutes: the same again at once takes up to three times as long.)
 */
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { type Entry, entriesBelow } from '../../lib/consul/kv.ts'
import { parseProcess } from '../../lib/machine/identity.ts'
import { readLine } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { configure, guardCommand, home, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly, median, paired, type Row, told } from './bench.ts'
import { type Handling, Journal, overlapping } from './instance/journal.ts'

const count = Number(process.env.COUNT ?? 10_000)
const quietSeconds = 20
const additions = 5

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 3 })
  const file = join(cluster.root, 'journal')
  writeFileSync(file, '')
  const journal = new Journal(file)
  const command = [process.execPath, join(import.meta.dirname, 'instance/worker.ts'), file]
  const set = join(cluster.root, 'links.json')
  writeFileSync(set, JSON.stringify(Array.from({ length: count }, (_, n) => ({ id: `${n}`, text: 'x'.repeat(1000) }))))
  const definition = { name: 'links', partitions: { file: set, every: '1h' }, run: { per: 'instance', command } }
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

    progress(`${additions} are added, one after the other`)
    const afterAdding: number[] = []
    const written: number[] = []
    for (let n = 1; n <= additions; n++) {
      const { index } = await everything(first)
      const added = bootClock()
      await installed('partitions', 'links', 'add', `new${n}`, '--http-addr', first.http)
      await handled('the new one to be handled', count + n)
      afterAdding.push((latest(journal.all) - added) / 1000)
      written.push((await everything(first, Number(index))).bytes)
    }
    rows.push(
      atMost(1, 'one added: handled after, median', median(afterAdding), 's'),
      told('one added: handled after, slowest', Math.max(...afterAdding), 's'),
      atMost(5000, 'one added: written to Consul at most', Math.max(...written), 'bytes'),
    )

    progress('the guard ticks')
    const [tick] = await paired(9, [{ name: 'guard', argv: guardCommand(first, definition) }])
    rows.push(atMost(0.4, "the guard's tick, median", (tick?.wallMedian ?? Number.NaN) / 1000, 's'))

    progress(`${quietSeconds} s in which nothing happens`)
    const costs = (agent: Agent) => Promise.all([cpuSeconds(workerOf(agent)), childrenSeconds(agent.pid as number)])
    const before = await Promise.all(three.map(costs))
    const from = bootClock()
    await until('the quiet time to pass', () => bootClock() - from > quietSeconds * 1000, { deadline: 60_000 })
    const after = await Promise.all(three.map(costs))
    for (const [at, agent] of three.entries()) {
      const [worker, handlers] = [0, 1].map(of => ((after[at]?.[of] ?? 0) - (before[at]?.[of] ?? 0)) / quietSeconds)
      const held = journal.now().filter(({ pid }) => pid === workerOf(agent)).length
      rows.push(
        told(`${agent.name} at rest with ${held}: its worker`, worker as number, 'cores'),
        told(`${agent.name} at rest with ${held}: guard and handlers`, handlers as number, 'cores'),
        told(
          `${agent.name} at rest with ${held}: memory of its worker, PSS`,
          (await pss(workerOf(agent))) / 1024,
          'MiB',
        ),
      )
    }

    progress('a fourth instance joins')
    const begunBefore = journal.all.length
    const joined = bootClock()
    await configure(fourth, definition)
    await fourth.reload()
    await balanced(journal, () => cluster.agents.map(workerOf))
    const moved = journal.all.slice(begunBefore)
    rows.push(
      exactly(Math.floor((count + additions) / 4), 'moved by the join', moved.length),
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
    await handled('all to be handled again', count + additions)
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

/** Of the service, as Consul keeps it. @param since what was changed after this index; a new lock counts twice */
async function everything(agent: Agent, since = 0): Promise<{ index: string; bytes: number }> {
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.control } })
  const keys = keysOf('links')
  try {
    const { entries, index } = await entriesBelow(consul, keys.root)
    const size = ({ key, value }: Entry) =>
      Buffer.byteLength(`${key}${value ?? ''}`) * (key.startsWith(keys.locks) ? 2 : 1)
    const changed = entries.filter(({ modifyIndex }) => modifyIndex > since)
    return { index, bytes: changed.reduce((sum, entry) => sum + size(entry), 0) }
  } finally {
    consul.close()
  }
}

/** One of the programs of the release, as they are on a host. */
function installed(name: string, ...args: string[]) {
  return execa(join(home, 'current/watchbill'), [name, ...args])
}

async function cpuSeconds(pid: number): Promise<number> {
  const fields = await statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Of the children that it has waited for: all that an agent has run. */
async function childrenSeconds(pid: number): Promise<number> {
  const fields = await statOf(pid)
  return (Number(fields[13]) + Number(fields[14])) / 100
}

async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** KiB */
async function pss(pid: number): Promise<number> {
  return Number(/^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
}
