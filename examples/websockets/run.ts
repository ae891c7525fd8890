/**
 * A websocket server, three Consul agents and 1,000 links, each of them open exactly once, while an instance joins, the
 * server drops links, and a process is killed.
 *
 *   node examples/websockets/run.ts
 *   node examples/websockets/run.ts --links 200      so many
 *   node examples/websockets/run.ts --json           print only the verdict
 *
 * Exits 0 when the server saw each link open exactly once, all the time; otherwise 1.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reason } from '../../lib/base/errors.ts'
import { startCluster } from '../../test/lab/cluster.ts'
import type { DefinitionFile } from '../../test/lab/install.ts'
import { agentsOf, type Running, toTheEnd, verdictLines } from '../running.ts'
import { LinkServer } from './server.ts'
import { play, type Stage } from './story.ts'
import { type Figures, faultsOfLinks, judge, type Verdict } from './verdict.ts'
import { view } from './view.ts'

const here = import.meta.dirname
const options = { links: { type: 'string', default: '1000' }, json: { type: 'boolean', default: false } } as const
const { links: count, json } = parseArgs({ options }).values
const links = Array.from({ length: Number(count) }, (_, link) => `${link}`)
if (links.length < 3) throw new RangeError(`--links ${count}: three instances are to share them`)

await toTheEnd(run, console.error)

async function run({ up, atTheEnd, close }: Running): Promise<number> {
  const server = await up(LinkServer.listen(), server => server.close())
  const cluster = await up(startCluster({ say: json ? console.error : print }), close)
  const screen = json ? null : view(process.stdout, server, links.length)
  atTheEnd(() => screen?.stop())
  screen?.say(`the server is ${server.url}; the Consul agents are ${agentsOf(cluster)}, in ${cluster.root}`)
  const definition = await definitionFor(server.url)
  const verdict = await verdictOf({ cluster, definition, server, links, say: line => screen?.say(line) })
  screen?.stop()
  if (json) print(JSON.stringify(verdict))
  else tell(verdict)
  return verdict.faults.length === 0 ? 0 : 1
}

/** Of a story that came to no end, what can be said all the same. */
async function verdictOf(stage: Stage): Promise<Verdict | Pick<Verdict, 'faults'>> {
  const { server, links } = stage
  try {
    return judge(server.record, await play(stage))
  } catch (error) {
    return { faults: [reason(error), ...faultsOfLinks(server.record, { links, end: server.now() })] }
  }
}

/** The definition as it stands beside this file, for this machine and so many links. */
async function definitionFor(url: string): Promise<DefinitionFile> {
  const { run, ...rest } = JSON.parse(await readFile(join(here, 'definition.json'), 'utf8'))
  return {
    ...rest,
    partitions: { range: [0, links.length - 1] },
    run: { ...run, cwd: here, env: { LINKS_SERVER: url } },
  }
}

function tell(verdict: Verdict | Pick<Verdict, 'faults'>): void {
  const { faults } = verdict
  if ('links' in verdict) tellFigures(verdict)
  print(verdictLines(faults, 'each link was open exactly once', 'NOT exactly once'))
}

function tellFigures({ links, openOnce, openTwice, overlapSeconds, tokensBack, join, drop, kill }: Figures): void {
  print(`
From the server's own record:
  open exactly once      ${openOnce} of ${links}, in the end
  ever open twice        ${openTwice}, for ${overlapSeconds} s
  tokens that went back  ${tokensBack}
  moved by the join      ${join.moved}, each closed for ${join.medianSeconds} s (median), ${join.longestSeconds} s at most
  closed by the server   ${drop.closed}, each open again after ${drop.longestSeconds} s at most
  closed by kill -9      ${kill.closed}, all open again after ${kill.againSeconds} s`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
