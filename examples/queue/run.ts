/**
 * A queue that is fed into a service: two machines share the orders; the feeder is killed half way, and one message is
 * there twice. In the end exactly the orders that are to be handled are, each once, with its last document.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import { enter, settled } from '../../test/cluster/stage.ts'
import { until } from '../../test/lab/until.ts'
import { type Machine, onMachines, say } from '../lock/lab.ts'

const here = import.meta.dirname

await onMachines(2, async (machines, cluster) => {
  const [spool, handled] = ['spool', 'handled'].map(name => join(cluster.root, name)) as [string, string]
  mkdirSync(spool)
  writeFileSync(handled, '')
  const { name, partitions } = JSON.parse(readFileSync(join(here, 'definition.json'), 'utf8'))
  const run = { command: [join(here, 'handle-order.sh')], env: { HANDLED: handled } }
  const orders = { cluster, definition: { name, partitions, run }, beats: async () => [] }
  const lines = () => readFileSync(handled, 'utf8').split('\n').filter(Boolean)
  await enter(orders, cluster.agents)
  await settled(orders, cluster.agents)

  const feeder = await startFeeder(cluster.root, spool, machines[0])
  for (let n = 1; n <= 6; n++) put(spool, n, { allocate: `order-${n}`, document: { total: n } })
  await until('the feeder to be at work', () => feeder.said().includes('000002.json {'), { deadline: 30_000, every: 5 })
  feeder.child.kill('SIGKILL')
  say('the feeder was killed')
  await until('the first orders to be handled', () => lines().length >= 2, { deadline: 30_000 })
  put(spool, 7, { allocate: 'order-1', document: { total: 1 } }) // once more: nothing is done
  put(spool, 8, { allocate: 'order-2', document: { total: 20 } }) // another document: its process is started anew
  put(spool, 9, { deallocate: 'order-6' })
  const next = await startFeeder(cluster.root, spool, machines[1])
  await until('the queue to be empty', () => next.said().includes('000009.json {'), { deadline: 30_000 })
  await until('order-2 to be handled anew', () => lines().some(line => line.endsWith('{"total":20}')), {
    deadline: 30_000,
  })
  const status = await settled(orders, cluster.agents)
  next.child.kill('SIGTERM')
  for (const { partition, instance } of status.partitions) say(`${partition} on ${instance}`)
  const there = status.partitions.map(({ partition }) => partition).join(' ')
  const last = new Map(lines().map(line => [line.split(' ')[0], line.split(' ')[3]]))
  return [
    ...(there === 'order-1 order-2 order-3 order-4 order-5' ? [] : [`the partitions are ${there}`]),
    ...(last.get('order-2') === '{"total":20}' ? [] : ['order-2 has not its last document']),
    ...(lines().filter(line => line.startsWith('order-1 ')).length === 1 ? [] : ['order-1 was not started once']),
  ]
})

/** Whole, or not at all. */
function put(spool: string, n: number, message: object): void {
  const name = join(spool, String(n).padStart(6, '0'))
  writeFileSync(`${name}.new`, JSON.stringify(message))
  renameSync(`${name}.new`, `${name}.json`)
}

interface Feeder {
  readonly child: ChildProcess
  readonly said: () => string
}

/** With `watchbill/client` in it, which `npm install watchbill` brings and a checkout does not have. */
async function startFeeder(root: string, spool: string, env: Machine = {}): Promise<Feeder> {
  const outfile = join(root, 'feeder.mjs')
  const alias = { 'watchbill/client': resolve(here, '../../lib/client/client/client.ts') }
  const entryPoints = [join(here, 'feeder.mjs')]
  await build({ entryPoints, outfile, alias, bundle: true, format: 'esm', platform: 'node' })
  const child = spawn(process.execPath, [outfile, 'orders', spool], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
    say(`feeder: ${String(chunk).trim().replaceAll('\n', '\nfeeder: ')}`)
  })
  return { child, said: () => said }
}
