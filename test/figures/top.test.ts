/** `watchbill top` and `watchbill history`, of figures that are there. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { keysOf } from '../../lib/base/names.ts'
import { figuresKey, mostSummary, parseSummary, summaryText } from '../../lib/keys/figures.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { seeded } from './seeded.ts'

const handlers = join(import.meta.dirname, '../../handlers')
const summary = { at: '2026-01-02T03:04:05.000Z', partitions: 2, cpu: 0.5, memory: 3e8, restarts: 1, tick: 45 }
const more = { margin: 7600, consul: 4, partition: {} }

/** This machine is n1; n2 has written a summary. */
async function machine(t: TestContext) {
  const { consul, memory } = await fakeConsul(t)
  const root = directory(t)
  seeded(root, 'n1:work', 'work', 'lag 12\n')
  memory.put(keysOf('work').revision, '{}')
  const text = summaryText({ ...summary, ...more }, [
    ['8', 0.4, 2e8, 1],
    ['9', 0.1, 1e8, 0],
  ])
  memory.put(figuresKey('work', 'n2:work'), text)
  const address = new URL(consul.address.origin).host
  const run = (name: string, args: readonly string[], http = address) => {
    const places = name === 'history' ? [] : ['--http-addr', http]
    return execa(process.execPath, [join(handlers, `${name}.ts`), ...args, '--state', root, ...places], {
      reject: false,
    })
  }
  return { run }
}

describe('top', () => {
  it('shows this machine from its state, and others from Consul, the busiest first', async t => {
    const { run } = await machine(t)
    const { stdout, exitCode } = await run('top', ['work'])
    assert.equal(exitCode, 0)
    const [instances, partitions] = stdout.split('\n\n').map(part => part.split('\n').map(line => line.split(/ {2,}/)))
    assert.deepEqual(instances, [
      ['INSTANCE', 'PARTITIONS', 'CPU %', 'MEMORY', 'TICK ms', 'MARGIN ms', 'CONSUL ms', 'AS OF'],
      ['n1:work', '1', '10.0', '64.0 MiB', '45', '7001', '8', 'now'],
      ['n2:work', '2', '50.0', '286 MiB', '45', '7600', '4', summary.at],
    ])
    assert.deepEqual(partitions, [
      ['PARTITION', 'INSTANCE', 'CPU %', 'MEMORY', 'FILES', 'THREADS', 'UP', 'RESTARTS', 'SAYS'],
      ['8', 'n2:work', '40.0', '191 MiB', '-', '-', '-', '1'],
      ['7', 'n1:work', '10.0', '64.0 MiB', '12', '3', '10 min', '1', 'lag=12'],
      ['9', 'n2:work', '10.0', '95.4 MiB', '-', '-', '-', '0'],
    ])
  })

  it('shows what this machine knows while Consul is away', async t => {
    const { run } = await machine(t)
    const { stdout, stderr, exitCode } = await run('top', ['work', '--json'], '127.0.0.1:1')
    assert.equal(exitCode, 0)
    assert.deepEqual(
      JSON.parse(stdout).partitions.map(({ partition }: { partition: string }) => partition),
      ['7'],
    )
    assert.match(stderr, /^only what this machine knows: cannot reach Consul/)
  })

  it('refuses a service that nobody knows', async t => {
    const { run } = await machine(t)
    const { stderr, exitCode } = await run('top', ['wrok'])
    assert.deepEqual([exitCode, /cannot find the service wrok/.test(stderr)], [100, true])
  })
})

describe('history', () => {
  it('has a line for each row of a partition, and a line a minute of an instance', async t => {
    const { run } = await machine(t)
    const rows = (await run('history', ['work', '7'])).stdout.split('\n').slice(1)
    assert.equal(rows.length, 2)
    assert.match(rows[1] as string, /^\S+Z +10\.0 +64\.0 MiB +12 +3 +10 min +1 +3 +4 +lag=12$/)
    const minutes = (await run('history', ['work'])).stdout.split('\n').slice(1)
    const ticks = minutes.reduce((sum, line) => sum + Number(line.split(/ {2,}/)[1]), 0)
    assert.equal(ticks, 5)
  })

  it('prints all that was written as JSON', async t => {
    const { run } = await machine(t)
    const { instance, rows } = JSON.parse((await run('history', ['work', '7', '--json'])).stdout)
    assert.equal(instance, 'n1:work')
    const { at, boot, ...last } = rows.at(-1)
    assert.ok(!Number.isNaN(Date.parse(at)) && boot > 0)
    assert.deepEqual(last, {
      ...{ cpu_ms: 8000, memory: 67_108_864, files: 12, threads: 3, processes: 2, uptime_s: 600, restarts: 1 },
      ...{ exits: 1, exit_code: 3, acquired: 4, hand_over_ms: 250, takeover_ms: 14_100 },
      ...{ cores: 0.1, says: { lag: 12 } },
    })
  })

  it('says where to run it when nothing is here', async t => {
    const { run } = await machine(t)
    const { stderr, exitCode } = await run('history', ['work', '8'])
    const line =
      'cannot show the history of 8 of work: this machine has no figures of the last hour; run it on the machine that watchbill owner work 8 names'
    assert.deepEqual([exitCode, stderr], [100, `history: permanent: ${line}`])
  })
})

describe('a summary', () => {
  it('leaves out the least busy partitions beyond 4 KiB', () => {
    const all = Array.from({ length: 500 }, (_, n): [string, number, number, number] => [`tenant-${n}`, 0.01, 1e8, 0])
    const text = summaryText({ ...summary, ...more }, all)
    assert.ok(text.length <= mostSummary && text.length > mostSummary - 100, `${text.length} bytes`)
    const parsed = parseSummary(text)
    assert.equal(parsed?.partitions, 2)
    assert.equal(Object.keys(parsed?.partition ?? {})[0], 'tenant-0')
  })

  const bad = ['', 'null', '[]', '{', '{"at":"x"}', JSON.stringify({ ...summary, ...more, cpu: 'x' })]
  for (const text of bad) it(`is not believed: ${text}`, () => assert.equal(parseSummary(text), null))
})
