/**
 * The demo: real Consul agents on this machine, 12 partitions of a small worker, and what happens to them while agents
 * join, die, drain and leave.
 *
 *   npm run demo                 watch it
 *   npm run demo -- --json       print only the verdict
 *   npm run demo -- --page       watch it in a browser: prints the address of a page on one of the agents
 *   npm run demo -- --keep       leave it up at the end, to look around, until Ctrl-C
 *
 * Exits 0 when nothing ever ran twice and everything runs at the end, else 1.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readBeats } from '../../test/lab/beats.ts'
import { type Cluster, startCluster } from '../../test/lab/cluster.ts'
import { pageOn } from '../../test/lab/page.ts'
import { aborted } from './keep.ts'
import { clusterOptions, definitionFor, partitions, play } from './story.ts'
import { ledgerFaults, type Summary, summarise } from './summary.ts'
import { view } from './view.ts'

const no = { type: 'boolean', default: false } as const
const { json, keep, page } = parseArgs({
  args: process.argv.slice(2),
  options: { json: no, keep: no, page: no },
}).values

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupted.abort(new Error('interrupted')))

const say = (line: string) => json || process.stdout.write(`${line}\n`)

say(`Starting three Consul agents. A row for each instance (agent:service) shows its partitions; 3→ is not running there yet, or
not any more. The row "nobody" shows the partitions that nobody has, and why.`)
const cluster = await startCluster({ ...clusterOptions, say })
try {
  process.exitCode = await show(cluster)
} catch (error) {
  process.exitCode = 1
  if (interrupted.signal.aborted) say('interrupted: cleaning up')
  else throw error
} finally {
  await cluster.close()
}

async function show(cluster: Cluster): Promise<number> {
  await mkdir(join(cluster.root, 'ledgers'))
  await writeFile(join(cluster.root, 'beats'), '')
  const served = page ? await pageOn(cluster.agent('s1')) : null
  if (served) say(`the page is at ${served.url}`)
  const screen = json ? null : view(process.stdout, cluster.agent('s1'))
  try {
    const events = await play({
      cluster,
      definition: definitionFor(cluster.root),
      say: line => screen?.say(line),
      signal: interrupted.signal,
    })
    await screen?.stop()
    const summary = summarise(await readBeats(join(cluster.root, 'beats')), partitions, events)
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`)
    else await tell(cluster, summary)
    if ((keep || page) && !json) await untilInterrupted(cluster, served?.url ?? null)
    return summary.overlapSeconds === 0 && summary.unowned.length === 0 ? 0 : 1
  } finally {
    await screen?.stop()
    served?.stop()
  }
}

async function tell(cluster: Cluster, summary: Summary): Promise<void> {
  const folder = join(cluster.root, 'ledgers')
  const ledgers = (await readdir(folder)).map(name => join(folder, name))
  const { lines, faults } = ledgerFaults(ledgers)
  say(`
Computed from the workers' own heartbeats:
  two owners at once      ${summary.overlapSeconds.toFixed(2)} s
  partitions unowned      ${summary.unowned.join(', ') || 'none'}
  moves                   ${summary.moves}, the fewest possible are ${summary.leastMoves}
  longest hand-over       ${summary.handoverSeconds.toFixed(2)} s idle
  takeover after kill -9  ${summary.takeoverSeconds.toFixed(2)} s
  work                    ${lines} ledger lines, ${faults} missing or written twice`)
}

async function untilInterrupted(cluster: Cluster, url: string | null): Promise<void> {
  say(lookAround(cluster))
  if (url !== null) say(`\nThe page, with its buttons, is at ${url}`)
  await aborted(interrupted.signal)
}

function lookAround({ root, agents }: Cluster): string {
  const [s1] = agents
  const address = s1?.http.replace('http://', '')
  return `
It is up until Ctrl-C, in ${root}. Look around from another terminal:
  export CONSUL_HTTP_ADDR=${address} WATCHBILL_STATE=${s1?.state}    # of s1
  handlers/watchbill.js status demo
  ls ${s1?.state}/*/partition; cat ${s1?.state}/*/log
  curl -s "$CONSUL_HTTP_ADDR/v1/kv/watchbill/?keys"`
}
