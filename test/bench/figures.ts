/**
 * What figures cost the guard: a tick with them against one without, side by side, at 0, 30 and 500 partitions. Every
 * measured tick finds a last row of 2 s ago, so that it looks at as many partitions as a tick of Consul's does.
 * ROUNDS=9 npm run bench -- figures: so many pairs.
 */
import { rmSync } from 'node:fs'
import { bootClock } from '../../lib/base/clock.ts'
import { makeDirectory, namesIn } from '../../lib/state/facts.ts'
import { sizeOf, widthOf, writeRow } from '../../lib/state/figures/ring.ts'
import { instanceRing, ownRing, partitionRing } from '../../lib/state/figures/rings.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'
import { settled, statusOf } from '../cluster/stage.ts'
import { type Agent, type Cluster, startCluster } from '../lab/cluster.ts'
import { type DefinitionFile, guardCommand, install, instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, interleaved, measure, type Row, ratio, told } from './bench.ts'

const rounds = Number(process.env.ROUNDS ?? 31)
const interval = 2000
const most = 1.15

const bench: Bench = async progress => {
  const rows: Row[] = sizes()
  for (const count of [0, 30, 500]) {
    const cluster = await startCluster({ clients: 0 })
    try {
      const definition = definitionOf(count)
      const agent = cluster.agent('s1')
      await install(agent, definition)
      await ready(cluster, agent, definition, count)
      await ringsThere(agent, definition, count)
      progress(`${count} partitions: ${rounds} pairs`)
      rows.push(...(await compared(agent, definition, count)))
    } finally {
      await cluster.close()
    }
  }
  return rows
}

export default bench

function sizes(): Row[] {
  const ring = instanceRing(interval)
  return [
    told('ring of an instance', sizeOf(ring), 'bytes'),
    told('ring of a partition', sizeOf(partitionRing), 'bytes'),
    told('ring of what a program says', sizeOf(ownRing), 'bytes'),
    told('rows written in an hour for an instance', ring.rows * widthOf(ring), 'bytes'),
    told('and for each partition', partitionRing.rows * widthOf(partitionRing), 'bytes'),
  ]
}

function definitionOf(count: number): DefinitionFile {
  const last = Math.max(count, 1) - 1
  return { name: 'figures', partitions: { range: [0, last] }, run: { command: ['sleep', '100000'] } }
}

/** An instance without partitions is one that is drained. */
async function ready(cluster: Cluster, agent: Agent, definition: DefinitionFile, count: number): Promise<void> {
  await settled({ cluster, definition, beats: async () => [] }, [agent], 180_000)
  if (count > 0) return
  await program('drain', ['figures', instanceOf(agent, definition), '--http-addr', agent.http])
  await until('everything to be given up', async () => {
    const { partitions } = await statusOf(agent, 'figures')
    return partitions.every(({ instance }) => instance === null)
  })
}

/** The first round makes the files, which costs more than all that follow. */
function ringsThere(agent: Agent, definition: DefinitionFile, count: number): Promise<unknown> {
  const files = instanceFiles(agent.state, instanceOf(agent, definition))
  return until('every partition to have its ring', see => see(namesIn(`${files.figures}/partition`).length) >= count, {
    deadline: 90_000,
    every: 500,
  })
}

async function compared(agent: Agent, definition: DefinitionFile, count: number): Promise<Row[]> {
  const argv = guardCommand(agent, definition)
  const files = instanceFiles(agent.state, instanceOf(agent, definition))
  const tick = (figures: string) => () => {
    aRowAgo(files)
    return measure({ name: 'guard', argv, env: { WATCHBILL_FIGURES: figures } })
  }
  const [without = [], kept = []] = await interleaved(rounds, [tick('off'), tick('on')])
  const of = (all: typeof kept, what: 'wall' | 'cpu') => all.map(one => one[what])
  return [
    atMost(most, `${count} partitions, wall`, ratio(of(kept, 'wall'), of(without, 'wall')), '×'),
    atMost(most, `${count} partitions, CPU`, ratio(of(kept, 'cpu'), of(without, 'cpu')), '×'),
    told(`${count} partitions, without: wall`, [...of(without, 'wall')].sort((a, b) => a - b)[rounds >> 1] ?? 0, 'ms'),
  ]
}

/** The ring as a tick of 2 s ago left it. */
function aRowAgo(files: InstanceFiles): void {
  makeDirectory(files.figures)
  rmSync(files.instanceRing, { force: true })
  writeRow(files.instanceRing, instanceRing(interval), {
    boot: bootClock() - interval,
    at: Date.now() / 1000,
    figures: {},
    text: '',
  })
}
