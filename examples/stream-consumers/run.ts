/**
 * Redis, three Consul agents, sixteen streams of words and a consumer for each, while a consumer is killed, a machine
 * dies, and a stale owner tries to write. Needs redis-server and python3.
 *
 *   npx tsx examples/stream-consumers/run.ts
 *   npx tsx examples/stream-consumers/run.ts --keep     leave it up at the end, to look around, until Ctrl-C
 *
 * Exits 0 when every entry was counted exactly once; 1 when not; 77 when something that it needs is not there.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../../lib/table.ts'
import { type Cluster, startCluster, tunedGossip } from '../../test/lab/cluster.ts'
import type { DefinitionFile } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'
import { lookAtStreams } from './look.ts'
import { Redis } from './redis.ts'
import { end, haveRedis, howToGet, spawnTied, startRedis, works } from './redis-server.ts'
import { play } from './story.ts'
import { judge, rows, total, type Verdict } from './verdict.ts'
import { say, view } from './view.ts'

const here = import.meta.dirname
const skipped = 77
const { keep } = parseArgs({ options: { keep: { type: 'boolean', default: false } } }).values

class Interrupted extends Error {}
const interrupted = new Promise<never>((_, reject) => {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => reject(new Interrupted(name)))
})

/** What has to be undone at the end, the last first. */
const undo: (() => unknown)[] = []
let code = 1

try {
  code = await Promise.race([run(), interrupted])
} catch (error) {
  if (error instanceof Interrupted) code = 130
  say(code === 130 ? 'interrupted: cleaning up' : String(error))
}
for (const step of undo.reverse()) await step()
process.exit(code)

async function run(): Promise<number> {
  const missing = await whatIsMissing()
  if (missing) {
    say(`skipped: ${missing}`)
    return skipped
  }
  const cluster = await up(startCluster({ settings: tunedGossip, say }), close)
  const server = await up(startRedis(cluster.root), ({ stop }) => stop())
  const redis = await up(Redis.connect(server.socket), redis => redis.close())
  say(`Redis is process ${server.pid}; the Consul agents are ${names(cluster)}, in ${cluster.root}`)
  say(`in another terminal: ${statusCommand(cluster)}`)
  const definition = await definitionFor(server.socket)
  const tally = join(cluster.root, 'tally.json')
  const producer = await up(spawnTied(process.execPath, [join(here, 'producer.ts'), server.socket, tally]), end)
  const screen = view(redis)
  undo.push(screen.stop)

  await play({ cluster, definition, redis, view: screen })
  say('the producer stops; the consumers catch up')
  await end(producer)
  if (producer.exitCode !== 0) throw new Error(`the producer failed: ${producer.exitCode ?? producer.signalCode}`)
  await caughtUp(redis)
  screen.stop()
  const verdict = await judge(redis, JSON.parse(await readFile(tally, 'utf8')))
  tell(verdict)
  if (keep) await stayUp(cluster, server.socket)
  return verdict.faults.length === 0 ? 0 : 1
}

/** By a look of its own: the view's last one may be older than the producer's last word. */
function caughtUp(redis: Redis): Promise<unknown> {
  const done = async () => (await lookAtStreams(redis)).every(({ counted, produced }) => counted >= produced)
  return until('the consumers to catch up', done, { deadline: 30_000 })
}

/** Waits for something to be up, and has it taken down at the end, even if the end comes while it is still coming up. */
function up<T>(coming: Promise<T>, down: (it: T) => unknown): Promise<T> {
  undo.push(() => coming.then(down, () => {}))
  return coming
}

/** What failed is kept to be looked at. */
function close(cluster: Cluster): Promise<void> {
  return cluster.close(code === 1 ? { keep: true } : {})
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

function names({ agents }: Cluster): string {
  return agents.map(({ name, pid }) => `${name} (${pid})`).join(', ')
}

function statusCommand({ agents }: Cluster): string {
  return `npx tsx handlers/status.ts word-counters --http-addr ${agents[0]?.http.replace('http://', '')}`
}

function tell({ looks, faults }: Verdict): void {
  const [produced, counted, refused] = [total(looks, 'produced'), total(looks, 'counted'), total(looks, 'refused')]
  const lines = table(['STREAM', 'PRODUCED', 'COUNTED', 'REFUSED WRITES', 'OWNERS'], rows(looks))
  const sums = `${produced} entries produced, ${counted} counted, ${refused} writes of stale owners refused`
  process.stdout.write(`\n${lines}\n\n${sums}\n`)
  for (const fault of faults.slice(0, 20)) process.stdout.write(`fault: ${fault}\n`)
  if (faults.length > 20) process.stdout.write(`and ${faults.length - 20} more\n`)
  process.stdout.write(
    `verdict: ${faults.length === 0 ? 'every entry was counted exactly once' : 'NOT exactly once'}\n`,
  )
}

async function stayUp(cluster: Cluster, socket: string): Promise<void> {
  process.stdout.write(`
It is up until Ctrl-C. Look around from another terminal:
  ${statusCommand(cluster)}
  redis-cli -s ${socket} hgetall words:0:progress
  tail ${cluster.root}/*/state/*/partition/*/output\n`)
  await interrupted
}
