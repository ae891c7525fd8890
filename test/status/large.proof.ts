/** `status` of 5000 partitions on a real Consul: how long it takes, what a terminal shows, and what `--watch` costs. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { Consul } from '../../lib/consul/http.ts'
import { transact } from '../../lib/consul/kv.ts'
import { digest, sharedDigest } from '../../lib/definition/digest.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { fill, givenBack, idOf, service } from '../bench/scale/filled.ts'
import { handlers } from '../handlers/support/programs.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const partitions = 5000
const [columns, rows] = [120, 40]
/** Of a watched minute, s. */
const watched = 60

test('5000 partitions: one screen within 1.5 s, and a watched minute below a tenth of a core', async t => {
  const cluster = await clusterFor(t, { clients: 1 })
  const [server, agent] = cluster.agents as [Agent, Agent]
  const text = JSON.stringify({ name: service, partitions: { byHand: true }, run: { command: ['sleep', '100000'] } })
  const definition = await parseDefinition(text, 'definition.json')
  const digests = { digest: digest(definition), shared: sharedDigest(definition) }
  const fakes = await fill(agent, { partitions, instances: 51 }, digests, () => {})

  const times: number[] = []
  for (let run = 0; run < 5; run++) {
    const begun = performance.now()
    const { shown } = await inTerminal(server, ['status', service])
    times.push(performance.now() - begun)
    const lines = shown.trimEnd().split('\n')
    assert.ok(lines.length < rows, `${lines.length} lines`)
    assert.match(lines.at(-1) ?? '', /^not shown: .* running, 50 instances; everything: watchbill status scale --all$/)
    if (run === 0) t.diagnostic(`the screen:\n${lines.join('\n')}`)
  }
  const median = times.sort((a, b) => a - b)[2] as number
  t.diagnostic(`status of ${partitions} partitions on a terminal: ${Math.round(median)} ms (median of 5)`)
  assert.ok(median <= 1500, `${median} ms`)

  const { child, pid, screen } = await watching(server)
  await until('the first screen', () => screen().includes('looked at'))
  await delay(3000) // what its start costs is over
  const before = cpuSeconds(pid())
  await delay(watched * 1000)
  const share = (cpuSeconds(pid()) - before) / watched
  t.diagnostic(`--watch, a minute in which nothing happens: ${(share * 100).toFixed(1)} % of a core`)
  assert.ok(share < 0.1, `${share}`)

  // A change every second, which is as bad as it gets for whoever watches.
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.control } })
  const start = cpuSeconds(pid())
  for (let n = 0; n < watched; n++) {
    const fake = fakes[n % fakes.length]
    if (fake !== undefined) await transact(consul, [givenBack(fake, idOf(n % fakes.length))])
    await delay(1000)
  }
  consul.close()
  const busy = (cpuSeconds(pid()) - start) / watched
  t.diagnostic(`--watch, a minute with a change every second: ${(busy * 100).toFixed(1)} % of a core`)
  assert.ok(busy < 0.1, `${busy}`)
  assert.match(stripVTControlCharacters(screen()), /\* +customer-/)
  child.kill()
})

function started(agent: Agent, args: readonly string[]) {
  const words = [process.execPath, join(handlers, `${args[0]}.ts`), ...args.slice(1)].join(' ')
  const command = `stty cols ${columns} rows ${rows}; exec ${words}`
  const env = { ...process.env, ...agent.env, CONSUL_HTTP_ADDR: agent.http, TERM: 'xterm', NO_COLOR: '1' }
  return spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
}

async function inTerminal(agent: Agent, args: readonly string[]) {
  const child = started(agent, args)
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    shown += chunk
  })
  await once(child, 'close')
  return { shown: shown.replaceAll('\r', '') }
}

async function watching(agent: Agent) {
  const child = started(agent, ['status', service, '--watch'])
  let all = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    all = (all + chunk).slice(-100_000)
  })
  const pid = () => Number(childOf(Number(child.pid)))
  return { child, pid, screen: () => all }
}

/** `script` starts one process, which becomes the program. */
function childOf(parent: number): string {
  const found = readdirSync('/proc').find(name => {
    if (!/^\d+$/.test(name)) return false
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
    } catch {
      return false
    }
  })
  assert.ok(found, 'the program runs')
  return found
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
