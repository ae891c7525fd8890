/**
 * An HTTP API with a hundred subscriptions, three Consul agents, and on each a worker that delivers events, while machines
 * join, subscriptions come, go and change, the API fails, and a worker and a machine are killed.
 *
 *   node examples/webhooks/run.ts
 *   node examples/webhooks/run.ts --json     print nothing but the verdict
 *   node examples/webhooks/run.ts --keep     leave it up at the end, to look around, until Ctrl-C
 *
 * Exits 0 when each event was delivered, and by one instance; 1 when not.
 */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { reason } from '../../lib/base/errors.ts'
import { type Cluster, startCluster, tunedGossip } from '../../test/lab/cluster.ts'
import type { DefinitionFile } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'
import { agentsOf, type Running, statusCommand, toTheEnd, verdictLines } from '../running.ts'
import { serve } from './server.ts'
import { play } from './story.ts'
import { judge, type Verdict } from './verdict.ts'
import { view } from './view.ts'
import { World } from './world.ts'

const here = import.meta.dirname
const options = { keep: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } as const
const { keep, json } = parseArgs({ options }).values
const subscriptions = 100
const begun = performance.now()

await toTheEnd(run, console.error)

async function run({ up, atTheEnd, close, interrupted }: Running): Promise<number> {
  const cluster = await up(startCluster({ settings: tunedGossip, say }), close)
  const world = new World()
  const { url } = await up(serve(world), ({ stop }) => stop())
  for (let n = 1; n <= subscriptions; n++) world.add(`s${n}`, `${url}/hook/s${n}`)
  say(`the API is ${url}/subscriptions; the Consul agents are ${agentsOf(cluster)}, in ${cluster.root}`)
  say(`in another terminal: ${statusCommand(cluster, 'webhooks')}`)
  const definition = await definitionFor(url, cluster.root)
  const stopProducing = produce(world)
  const stopView = view(world, say)
  for (const stop of [stopProducing, stopView]) atTheEnd(stop)

  const stuck = await played(world, () => play({ cluster, definition, world, url, say }), stopProducing)
  stopView()
  const { faults, ...figures } = judge(world.history())
  const verdict = { faults: [...stuck, ...faults], ...figures }
  tell(verdict)
  if (keep) await stayUp(cluster, url, interrupted)
  return verdict.faults.length === 0 ? 0 : 1
}

/** @returns why it did not come to the end; nothing when it did */
async function played(world: World, story: () => Promise<void>, stopProducing: () => void): Promise<string[]> {
  try {
    await story()
    say('no more events; the workers catch up')
    stopProducing()
    await until('every event to be delivered', see => see(world.waiting()) === 0, { deadline: 30_000 })
    return []
  } catch (error) {
    return [reason(error)]
  }
}

/** An event a second for each subscription, also for those that were removed. @returns what ends it */
function produce(world: World): () => void {
  let turn = 0
  const some = () => {
    const ids = world.ids()
    for (let n = 0; n < ids.length / 20; n++) world.produce(ids[turn++ % ids.length] as string)
  }
  const timer = setInterval(some, 50)
  return () => clearInterval(timer)
}

/** The definition as it stands beside this file, with the paths and the port of this run. */
async function definitionFor(url: string, folder: string): Promise<DefinitionFile> {
  const { partitions, run, ...rest } = JSON.parse(await readFile(join(here, 'definition.json'), 'utf8'))
  await makeWorker(join(folder, 'worker.mjs'))
  const http = { url: `${url}/subscriptions` }
  return { ...rest, partitions: { ...partitions, http }, run: { ...run, cwd: folder, env: { API: url } } }
}

/** With `watchbill/worker` in it, which `npm install watchbill` brings and a checkout does not have. */
async function makeWorker(outfile: string): Promise<void> {
  const alias = { 'watchbill/worker': resolve(here, '../../lib/client/worker/resources.ts') }
  await build({
    entryPoints: [join(here, 'worker.mjs')],
    outfile,
    alias,
    bundle: true,
    format: 'esm',
    platform: 'node',
  })
}

/** One line, with the seconds since the beginning. */
function say(line: string): void {
  if (!json) process.stdout.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${line}\n`)
}

function tell(verdict: Verdict): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`)
    return
  }
  const { faults, ...figures } = verdict
  const { subscriptions, removed, instances, produced, delivered, repeated, byTwo, busy, stale, median, slowest } =
    figures
  process.stdout.write(`
${subscriptions} subscriptions, and ${removed} that were removed, delivered by ${instances} instances
${produced} events, ${delivered} delivered; ${repeated} twice, in flight at a kill -9, ${byTwo} of them by two instances
${busy} deliveries tried again because the endpoint was busy; ${stale} writes of an earlier owner refused
half of the events were delivered within ${median} s, the last after ${slowest} s
`)
  process.stdout.write(`${verdictLines(faults, 'each event was delivered, and by one instance')}\n`)
}

async function stayUp(cluster: Cluster, url: string, interrupted: Promise<never>): Promise<void> {
  say(`
It is up until Ctrl-C, without new events. Look around from another terminal:
  ${statusCommand(cluster, 'webhooks')}
  curl -X DELETE ${url}/subscriptions/s50
  tail ${cluster.root}/*/state/*/partition/.worker/output`)
  await interrupted
}
