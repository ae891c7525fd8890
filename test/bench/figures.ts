/**
 * What figures, health and events cost the guard: a tick with all of them against one without any, side by side, at 0, 30 and
 * 500 partitions. Every measured tick finds a last row of 2 s ago, so that it looks at as many partitions as a tick of Consul's
 * does. Without any: a copy of the release that lacks the file with all that is done after the verdict.
 * ROUNDS=9 npm run bench -- figures: so many rounds.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { bootClock } from '../../lib/base/clock.ts'
import { mostBytes, mostEvents } from '../../lib/keys/events.ts'
import { mostSummary } from '../../lib/keys/figures.ts'
import { mostPublished } from '../../lib/keys/health.ts'
import { noteEvents, ringSize } from '../../lib/state/events.ts'
import { makeDirectory, namesIn } from '../../lib/state/facts.ts'
import { sizeOf, widthOf, writeRow } from '../../lib/state/figures/ring.ts'
import { instanceRing, ownRing, partitionRing } from '../../lib/state/figures/rings.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'
import { settled, statusOf } from '../cluster/stage.ts'
import { type Agent, type Cluster, startCluster } from '../lab/cluster.ts'
import { type DefinitionFile, guardCommand, install, instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { atMost, type Bench, interleaved, measure, median, type Row, ratio, told } from './bench.ts'

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
      progress(`${count} partitions: ${rounds} rounds`)
      const bare = withoutAny(guardCommand(agent, definition))
      try {
        rows.push(...(await compared(agent, definition, count, bare.argv)))
      } finally {
        bare.remove()
      }
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
    told('ring of events', ringSize, 'bytes'),
    told(`events in Consul, at most ${mostEvents}`, mostBytes, 'bytes'),
    told('summary in Consul, every 30 s', mostSummary, 'bytes'),
    told('partitions in the health of an instance', mostPublished),
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

/** The same command of a release in which nothing can be done after the verdict: no failure of that is the tick's. */
function withoutAny(argv: readonly string[]): { readonly argv: string[]; readonly remove: () => void } {
  const program = realpathSync(argv.find(word => word.endsWith('/guard.cjs')) ?? '')
  const release = dirname(program)
  const copy = join(dirname(release), `bare-${process.pid}`)
  execFileSync('cp', ['-al', release, copy])
  const isAfter = (file: string) => readFileSync(file, 'latin1').includes('health and events cannot be published')
  const parts = readdirSync(join(copy, 'lib')).map(name => join(copy, 'lib', name))
  const [after, ...more] = parts.filter(file => file.endsWith('.cjs') && !file.endsWith('/guard.cjs') && isAfter(file))
  if (after === undefined || more.length > 0)
    throw new Error(`no one file of ${release} is for what follows the verdict`)
  rmSync(after)
  const ownPath = (word: string) =>
    word.startsWith('/') && existsSync(word) ? relative(release, realpathSync(word)) : '..'
  return {
    argv: argv.map(word => (ownPath(word).startsWith('..') ? word : join(copy, ownPath(word)))),
    remove: () => rmSync(copy, { recursive: true }),
  }
}

async function compared(
  agent: Agent,
  definition: DefinitionFile,
  count: number,
  bare: readonly string[],
): Promise<Row[]> {
  const argv = guardCommand(agent, definition)
  const files = instanceFiles(agent.state, instanceOf(agent, definition))
  const tick =
    (command: readonly string[], figures: string, isEventful = false) =>
    () => {
      aRowAgo(files)
      if (isEventful) noteEvents(files, [{ what: 'check', partitions: ['0'], why: 'alive: passing' }])
      return measure({ name: 'guard', argv: command, env: { WATCHBILL_FIGURES: figures } })
    }
  const tasks = [tick(bare, 'on'), tick(argv, 'off'), tick(argv, 'on'), tick(argv, 'on', true)]
  const [without = [], quiet = [], all = [], eventful = []] = await interleaved(rounds, tasks)
  const of = (some: typeof all, what: 'wall' | 'cpu') => some.map(one => one[what])
  const times = (some: typeof all, what: 'wall' | 'cpu') => ratio(of(some, what), of(without, what))
  return [
    atMost(most, `${count} partitions, all of them: wall`, times(all, 'wall'), '×'),
    atMost(most, `${count} partitions, all of them: CPU`, times(all, 'cpu'), '×'),
    told(`${count} partitions, health and events alone: wall`, times(quiet, 'wall'), '×'),
    told(`${count} partitions, with an event to publish: wall`, times(eventful, 'wall'), '×'),
    told(`${count} partitions, without any: wall`, median(of(without, 'wall')), 'ms'),
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
