/** Figures on real agents: from the tick to top, history, Consul and node_exporter's file; and a check that acts on them. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { Consul } from '../../lib/consul/http.ts'
import { entriesAt } from '../../lib/consul/kv.ts'
import { figuresKey, mostSummary, parseSummary } from '../../lib/keys/figures.ts'
import type { Top } from '../../lib/operate/figures/top.ts'
import type { Status } from '../../lib/operate/status/status.ts'
import { namesIn, readFact } from '../../lib/state/facts.ts'
import { allRows } from '../../lib/state/figures/ring.ts'
import { instanceRing } from '../../lib/state/figures/rings.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { changed, enter, everywhere, processes, settled, stageOfOne } from '../cluster/stage.ts'
import { type Agent, type Cluster, startCluster } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { type DefinitionFile, programAs } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const worker = join(import.meta.dirname, 'worker.sh')
const round = 75_000

function stageOf(cluster: Cluster, last: number, more: Record<string, unknown> = {}, pause = '0.5') {
  const directory = join(cluster.root, 'sick')
  mkdirSync(directory, { recursive: true })
  const command = ['/bin/sh', worker, '{partition}', directory, pause]
  const definition: DefinitionFile = { name: 'work', partitions: { range: [0, last] }, run: { command }, ...more }
  return { directory, stage: { cluster, definition, beats: async () => [] } }
}

function filesOf(agent: Agent) {
  return instanceFiles(agent.state, `${agent.name}:work`)
}

async function top(agent: Agent): Promise<Top> {
  const args = ['work', '--json', '--http-addr', agent.http, '--state', agent.state]
  return JSON.parse(await programAs(agent, 'top', args)) as Top
}

describe('figures on two instances', () => {
  it('reach top, history, the other machine and a file for Prometheus', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const [s1, a1] = cluster.agents as [Agent, Agent]
    const textfile = join(cluster.root, 'watchbill.prom')
    const { stage } = stageOf(cluster, 3, { metrics: { textfile } })
    await enter(stage, [s1, a1])
    await settled(stage, [s1, a1])
    const begun = bootClock()
    const whole = await until(
      'all partitions to be known on both',
      async see => {
        const { partitions, instances } = see(await top(s1))
        return (
          partitions.length === 4 && instances.length === 2 && partitions.every(({ cpu }) => cpu !== null) && partitions
        )
      },
      { deadline: 2 * round, every: 1000 },
    )
    t.diagnostic(`known on both after ${bootClock() - begun} ms`)
    for (const { memory = 0, cpu } of whole) assert.ok(memory > 100_000 && (cpu ?? -1) >= 0 && (cpu ?? 9) < 1)
    const own = whole.filter(({ instance }) => instance === 's1:work')
    assert.equal(own.length, 2)
    for (const { own: says, files = 0, threads = 0 } of own) {
      assert.ok((says?.consumer_offset_total ?? 0) > 0 && files >= 3 && threads >= 1)
    }
    const { rows } = JSON.parse(await programAs(s1, 'history', ['work', '--json', '--state', s1.state]))
    assert.ok(
      rows.length > 10 && rows.at(-1).partitions === 2 && rows.at(-1).margin_ms > 5000,
      JSON.stringify(rows.at(-1)),
    )
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: s1.control } })
    const [entry] = await entriesAt(consul, [figuresKey('work', 'a1:work')])
    consul.close()
    assert.ok((entry?.value?.length ?? Number.POSITIVE_INFINITY) <= mostSummary)
    assert.equal(parseSummary(entry?.value ?? null)?.partitions, 2)
    const status = JSON.parse(await programAs(s1, 'status', ['work', '--json', '--http-addr', s1.http])) as Status
    const [other] = status.instances.filter(({ instance }) => instance === 'a1:work')
    assert.ok((other?.figures?.memory ?? 0) > 100_000 && (other?.figures?.margin ?? 0) > 5000, JSON.stringify(other))
    for (const { health } of status.partitions)
      assert.ok(health?.ready && health.restarts === 0, JSON.stringify(status))
    const text = await until(
      'the file for node_exporter',
      () => existsSync(textfile) && readFileSync(textfile, 'utf8'),
      {
        deadline: round,
      },
    )
    assert.match(text, /^watchbill_partition_up\{service="work",node="\w+",service_id="work",partition="\d"\} 1$/m)
    assert.match(text, /^consumer_offset_total\{.*partition="\d"\} \d+$/m)
    assert.match(text, /^watchbill_handler_runs_total\{.*handler="attend"\} \d+$/m)
  })

  it('cost nobody a process when garbage stands in their place', async t => {
    const cluster = await clusterFor(t, { clients: 0 })
    const s1 = cluster.agent('s1')
    const { stage } = stageOf(cluster, 1)
    await enter(stage, [s1])
    await settled(stage, [s1])
    const before = everywhere(stage, [s1])
    const files = filesOf(s1)
    await until('rings', () => namesIn(`${files.figures}/partition`).length === 2, { deadline: round })
    for (const name of namesIn(`${files.figures}/partition`))
      writeFileSync(`${files.figures}/partition/${name}`, 'garbage')
    writeFileSync(files.instanceRing, Buffer.alloc(500_000))
    writeFileSync(files.totals, 'gar bage\u0000')
    writeFileSync(files.notes, Buffer.alloc(70_000, 7))
    const rows = () => allRows(files.instanceRing, instanceRing(2000), bootClock())
    await until('new rows', () => rows().length > 5, { deadline: round })
    assert.match(readFact(files.log) ?? '', /figures: \S+\/figures\/instance was torn or not ours, and is begun anew/)
    assert.deepEqual(changed(before, everywhere(stage, [s1])), [])
  })
})

test('one process for all partitions has one row, under a name that no partition has', async t => {
  const cluster = await clusterFor(t, { clients: 0 })
  const s1 = cluster.agent('s1')
  const stage = stageOfOne(cluster, 'work', 'quiet', { partitions: { range: [0, 3] } })
  await enter(stage, [s1])
  await settled(stage, [s1])
  const rows = await until(
    'its row',
    async see => see((await top(s1)).partitions).length > 0 && (await top(s1)).partitions,
    {
      deadline: round,
      every: 1000,
    },
  )
  assert.deepEqual(
    rows.map(({ partition, memory = 0 }) => [partition, memory > 100_000]),
    [['.worker', true]],
  )
})

test('a consumer that stands still is restarted by its own figure, and no other one', async t => {
  const count = Number(process.env.COUNT ?? 500)
  const cluster = await startCluster({ clients: 0 })
  t.after(() => cluster.close())
  const s1 = cluster.agent('s1')
  const check = {
    name: 'progress',
    metric: 'consumer_offset_total',
    unchangedFor: '20s',
    interval: '5s',
    onFailure: 'restart',
  }
  const { stage, directory } = stageOf(cluster, count - 1, { checks: [check] }, '5')
  await enter(stage, [s1])
  await settled(stage, [s1], 240_000)
  const before = everywhere(stage, [s1])
  writeFileSync(join(directory, 'sick.7'), '')
  const begun = bootClock()
  const pid = processes(s1, stage.definition).get('7')?.pid
  await until('7 to be restarted', () => ![pid, undefined].includes(processes(s1, stage.definition).get('7')?.pid), {
    deadline: 180_000,
    every: 500,
  })
  t.diagnostic(`restarted ${bootClock() - begun} ms after it stood still`)
  await settled(stage, [s1], 60_000)
  assert.deepEqual(changed(before, everywhere(stage, [s1])), ['7'])
  assert.match(readFact(filesOf(s1).log) ?? '', /check progress of 7 is critical, was passing/)
})
