/** Alerts on a real cluster, by a real Prometheus: the fault is made, and the rule that is about it fires. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { contentTypes } from '../../lib/attend/metrics/text.ts'
import { page } from '../../lib/attend/metrics/textfile.ts'
import { processes, settled } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { howToGet, unpacked } from '../lab/debian.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { type DefinitionFile, install } from '../lab/install.ts'
import { freePorts } from '../lab/ports.ts'
import { until } from '../lab/until.ts'

const prometheus = await unpacked('prometheus', 'prometheus', console.error)
const skip = prometheus === null && howToGet('prometheus', 'prometheus')
const rules = join(import.meta.dirname, '../../packaging/prometheus/alerts.yml')

/** The metrics of an agent's machine, as the socket unit serves them. @returns host and port */
async function serve(t: TestContext, { state }: Agent): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': contentTypes.plain })
    response.end(page(state, null, 'plain', () => {}))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Scrapes every second; the rules wait for nothing. @returns the names of the alerts that fire */
async function watching(t: TestContext, root: string, target: string): Promise<() => Promise<string[]>> {
  const [port] = await freePorts(1)
  const config = join(root, 'prometheus.yml')
  writeFileSync(join(root, 'alerts.yml'), readFileSync(rules, 'utf8').replace(/^ +for: .*\n/gm, ''))
  const global = { scrape_interval: '1s', evaluation_interval: '1s' }
  const scrape_configs = [{ job_name: 'watchbill', static_configs: [{ targets: [target] }] }]
  writeFileSync(config, JSON.stringify({ global, rule_files: ['alerts.yml'], scrape_configs })) // JSON is YAML
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(root, 'tsdb')}`]
  const child = spawn(prometheus as string, [...args, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  return async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/alerts`)
    const { data } = (await answer.json()) as { data: { alerts: { state: string; labels: Record<string, string> }[] } }
    return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname as string)
  }
}

test('a process that dies again and again, one that stays down, a guard that stands still', { skip }, async t => {
  const cluster = await clusterFor(t, { clients: 0 })
  const s1 = cluster.agent('s1')
  const run = { command: ['sleep', '100000'] }
  const work: DefinitionFile = { name: 'work', partitions: { range: [0, 1] }, run }
  const once: DefinitionFile = { name: 'once', partitions: { range: [0, 0] }, run: { ...run, restart: 'never' } }
  for (const definition of [work, once]) await install(s1, definition)
  const stages = [work, once].map(definition => ({ cluster, definition, beats: async () => [] }))
  for (const stage of stages) await settled(stage, [s1])
  const target = await serve(t, s1)
  const firing = await watching(t, cluster.root, target)
  const metrics = async () => (await fetch(`http://${target}`)).text()
  await until('all to be measured', async () => (await metrics()).match(/^watchbill_partition_up/gm)?.length === 3, {
    deadline: 60_000,
  })
  const fires = (alert: string) =>
    until(`${alert} to fire`, async see => see(await firing()).includes(alert), { deadline: 150_000, every: 500 })
  await until('Prometheus to be up', async () => (await firing()).length === 0, { deadline: 60_000 })

  process.kill(processes(s1, once).get('0')?.pid as number, 'SIGKILL')
  for (let deaths = 0; deaths < 6; deaths++) {
    const pid = processes(s1, work).get('0')?.pid as number
    process.kill(pid, 'SIGKILL')
    await until('another process', () => ![pid, undefined].includes(processes(s1, work).get('0')?.pid), {
      deadline: 30_000,
    })
  }
  await fires('WatchbillPartitionDown')
  await fires('WatchbillPartitionRestarting')
  assert.ok(!(await firing()).includes('WatchbillGuardStalled'))
  const agent = s1.pid as number
  process.kill(agent, 'SIGSTOP')
  try {
    await fires('WatchbillGuardStalled')
  } finally {
    process.kill(agent, 'SIGCONT')
  }
})
