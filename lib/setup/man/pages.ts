/** All man pages, made of the programs as they are. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Description } from '../../program/help.ts'
import { first } from '../../program/overview.ts'
import { programs, top } from '../../program/programs.ts'
import { manOf, overview } from './man.ts'

const environment: readonly (readonly [string, string])[] = [
  ['CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN_FILE, …', 'as for Consul itself'],
  ['WATCHBILL_CONFIG', 'the directory of the definitions; /etc/watchbill'],
  ['WATCHBILL_STATE', 'the state directory; /var/lib/watchbill'],
  ['WATCHBILL_CONSUL_DIR', "Consul's configuration directory; /etc/consul.d"],
  ['WATCHBILL_HOME', 'where configure puts releases; /usr/local/lib/watchbill'],
  ['NO_COLOR', 'any value: no colours'],
  ['DEBUG', '1: every request to Consul and its answer on stderr'],
]

/** Two programs at a time: each is a Node of its own. */
const atOnce = 2

/** Name of the file, such as `watchbill-status.1`, -> its text; the same for the same sources and date. */
export async function manPages(date: string): Promise<Map<string, string>> {
  const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string }
  const edition = { version, date }
  const names = [...programs().keys()]
  const pages = new Map([['watchbill.1', overview(first, programs(), environment, edition)]])
  const waiting = [...names]
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      pages.set(`watchbill-${name}.1`, manOf(await descriptionOf(name), edition))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return new Map([...pages].sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function descriptionOf(name: string): Promise<Description> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(top, 'handlers', `${name}.ts`), '--help=json'])
  return JSON.parse(stdout) as Description
}
