/**
 * 100 resources that an HTTP API lists, on instances whose program uses watchbill/worker: a third one joins, and a program
 * is killed. When each resource is handled again, and whether any is handled twice at once.
 */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { bootClock } from '../../lib/base/clock.ts'
import { enter, seenPassing, settled, stage } from '../cluster/stage.ts'
import { type Agent, startCluster } from '../lab/cluster.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, exactly, median, told } from './bench.ts'
import { type Handling, Journal, overlapping } from './instance/journal.ts'

const count = 100
const list = Array.from({ length: count }, (_, n) => ({ id: `link${n}`, url: `wss://example.net/${n}` }))

const bench: Bench = async progress => {
  const cluster = await startCluster({ clients: 2 })
  const api = createServer((_, response) => response.end(JSON.stringify({ data: list })))
  await new Promise<void>(resolve => api.listen(0, '127.0.0.1', resolve))
  try {
    const file = join(cluster.root, 'journal')
    writeFileSync(file, '')
    const journal = new Journal(file)
    const work = stage(cluster, 'links', 'quiet', {
      partitions: { http: { url: `http://127.0.0.1:${(api.address() as AddressInfo).port}/links` }, every: '10s' },
      run: { per: 'instance', command: [process.execPath, join(import.meta.dirname, 'instance/worker.ts'), file] },
    })
    const [first, second, third] = cluster.agents as [Agent, Agent, Agent]
    const all = () => journal.now().length === count
    const pids = () => [...new Set(journal.now().map(({ pid }) => pid))]

    progress('two instances share them')
    await enter(work, [first, second])
    await until('all to be handled', all, { deadline: 60_000 })
    await settled(work, [first, second])
    const old = pids()

    progress('a third joins')
    const begun = journal.all.length
    const [passing] = await Promise.all([seenPassing(first, third.name, 'links'), enter(work, [third])])
    const came = () => journal.now().filter(({ pid }) => !old.includes(pid))
    await until('a third of them to be there', see => see(came().length) >= Math.floor(count / 3) && all(), {
      ...{ every: 250, deadline: 60_000 },
    })
    await settled(work, cluster.agents)
    const moved = journal.all.slice(begun)
    const idle = moved.map(handling => handling.from - before(journal.all, handling).to)

    progress('kill -9 of a program')
    const victim = came()[0]?.pid as number
    const lost = came().length
    process.kill(victim, 'SIGKILL')
    const at = bootClock()
    journal.killed(victim, at)
    await until('all to be handled again', all, { every: 20, deadline: 20_000 })
    const again = Math.max(...journal.all.slice(-lost).map(({ from }) => from - at))
    return [
      exactly(Math.floor(count / 3), 'moved by the join', moved.length),
      atMost(1, 'slowest of them handled after its service is passing', slowest(moved, passing), 's'),
      told('handled by nobody meanwhile, median', median(idle) / 1000, 's'),
      told('handled by nobody meanwhile, longest', Math.max(...idle) / 1000, 's'),
      atMost(2, `kill -9 of a program that had ${lost}: all handled again after`, again / 1000, 's'),
      exactly(0, 'two at once', overlapping(journal.all)),
    ]
  } finally {
    api.close()
    await cluster.close()
  }
}

export default bench

function slowest(moved: readonly Handling[], since: number): number {
  return Math.max(...moved.map(({ from }) => from - since)) / 1000
}

/** Who handled it before. */
function before(all: readonly Handling[], { id, from }: Handling): Handling {
  return all.findLast(other => other.id === id && other.from < from) as Handling
}
