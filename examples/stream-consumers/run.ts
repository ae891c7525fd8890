/**
 * Redis, three Consul agents, sixteen streams of words and a consumer for each, while a consumer is killed, a machine
 * dies, and a stale owner tries to write. Needs redis-server and python3.
 *
 *   node examples/stream-consumers/run.ts
 *   node examples/stream-consumers/run.ts --keep     leave it up at the end, to look around, until Ctrl-C
 *
 * Exits 0 when every entry was counted exactly once; 1 when not; 77 when something that it needs is not there.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../../lib/base/table.ts'
import { type Cluster, startCluster, tunedGossip } from '../../test/lab/cluster.ts'
import type { DefinitionFile } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'
import { agentsOf, type Running, statusCommand, toTheEnd, verdictLines } from '../running.ts'
import { lookAtStreams } from './look.ts'
import { Redis } from './redis.ts'
import { end, haveRedis, howToGet, spawnTied, startRedis, works } from './redis-server.ts'
import { play } from './story.ts'
import { judge, rows, total, type Verdict } from './verdict.ts'
import { say, view } from './view.ts'

const here = import.meta.dirname
const skipped = 77
const { keep } = parseArgs({ options: { keep: { type: 'boolean', default: false } } }).values

await toTheEnd(run, say)

async function run({ up, atTheEnd, close, interrupted }: Running): Promise<number> {
  const missing = await whatIsMissing()
  if (missing) {
    say(`skipped: ${missing}`)
    return skipped
  }
  const cluster = await up(startCluster({ settings: tunedGossip, say }), close)
  const server = await up(startRedis(cluster.root), ({ stop }) => stop())
  const redis = await up(Redis.connect(server.socket), redis => redis.close())
  say(`Redis is process ${server.pid}; the Consul agents are ${agentsOf(cluster)}, in ${cluster.root}`)
  say(`in another terminal: ${statusCommand(cluster, 'word-counters')}`)
  const definition = await definitionFor(server.socket)
  const tally = join(cluster.root, 'tally.json')
  const producer = await up(spawnTied(process.execPath, [join(here, 'producer.ts'), server.socket, tally]), end)
  const screen = view(redis)
  atTheEnd(screen.stop)

  await play({ cluster, definition, redis, view: screen })
  say('the producer stops; the consumers catch up')
  await end(producer)
  if (producer.exitCode !== 0) throw new Error(`the producer failed: ${producer.exitCode ?? producer.signalCode}`)
  await caughtUp(redis)
  screen.stop()
  const verdict = await judge(redis, JSON.parse(await readFile(tally, 'utf8')))
  tell(verdict)
  if (keep) await stayUp(cluster, server.socket, interrupted)
  return verdict.faults.length === 0 ? 0 : 1
}

/** By a look of its own: the view's last one may be older than the producer's last word. */
function caughtUp(redis: Redis): Promise<unknown> {
  const done = async () => (await lookAtStreams(redis)).every(({ counted, produced }) => counted >= produced)
  return until('the consumers to catch up', done, { deadline: 30_000 })
}

async function whatIsMissing(): Promise<string | null> {
  if (!(await works('python3'))) return 'python3 is not here; get it with: apt-get install python3'
  return (await haveRedis(say)) ? null : howToGet
}

/** The definition as it stands beside this file, with the two paths of this machine. */
async function definitionFor(socket: string): Promise<DefinitionFile> {
  const { run, ...rest } = JSON.parse(await readFile(join(here, 'definition.json'), 'utf8'))
  return { ...rest, run: { ...run, cwd: here, env: { ...run.env, REDIS_SOCKET: socket } } }
}

function tell({ looks, faults }: Verdict): void {
  const [produced, counted, refused] = [total(looks, 'produced'), total(looks, 'counted'), total(looks, 'refused')]
  const lines = table(['STREAM', 'PRODUCED', 'COUNTED', 'REFUSED WRITES', 'OWNERS'], rows(looks))
  const sums = `${produced} entries produced, ${counted} counted, ${refused} writes of stale owners refused`
  process.stdout.write(`\n${lines}\n\n${sums}\n`)
  process.stdout.write(`${verdictLines(faults, 'every entry was counted exactly once', 'NOT exactly once')}\n`)
}

async function stayUp(cluster: Cluster, socket: string, interrupted: Promise<never>): Promise<void> {
  process.stdout.write(`
It is up until Ctrl-C. Look around from another terminal:
  ${statusCommand(cluster, 'word-counters')}
  redis-cli -s ${socket} hgetall words:0:progress
  tail ${cluster.root}/*/state/*/partition/*/output\n`)
  await interrupted
}
