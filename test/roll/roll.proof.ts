/**
 * Roll-outs on real agents: 30 partitions on 3 agents, of which 2 may be unavailable. How many were down is counted from the
 * workers' own heartbeats.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { bootClock } from '../../lib/base/clock.ts'
import type { Roll } from '../../lib/keys/roll.ts'
import { type Stage, settled } from '../cluster/stage.ts'
import { type Beat, overlaps, readBeats, runs, stepsBack } from '../lab/beats.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install, onHost, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const service = 'work'
const pattern = '^\\d+\\.\\d+(-(crash|late|check|absent))?$'
const quick = ['--max-unavailable', '2', '--settle', '2s', '--limit', '20s']

describe('a roll-out over three agents', { concurrency: 1, timeout: 1_800_000 }, () => {
  const shared = sharedCluster({ clients: 2, settings: tunedGossip })
  let work: Stage
  let agents: Agent[]
  let file: string

  before(async () => {
    file = join(shared().root, 'work.beats')
    writeFileSync(file, '')
    const worker = join(import.meta.dirname, 'worker.sh')
    const here = (name: string) => join(shared().root, name)
    const prepare = [
      'sh',
      '-c',
      'case $1 in *-absent) echo "no such version" >&2; exit 1;; esac; echo "$1" >>"$2"',
      'sh',
    ]
    const definition = {
      name: service,
      partitions: { range: [0, 29] },
      run: { command: ['/bin/sh', worker, file, '{version}'] },
      lease: '7s',
      stop: { grace: '2s' },
      ready: 'check:well',
      checks: [
        { name: 'well', command: ['sh', '-c', 'case $1 in *-check) exit 2; esac', 'sh', '{version}'], interval: '1s' },
      ],
      versions: { pattern, first: '1.0', prepare: [...prepare, '{version}', here('prepared')] },
    }
    work = { cluster: shared(), definition, beats: () => readBeats(file) }
    agents = shared().agents.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    for (const agent of agents) await install(agent, definition)
    await settled(work, agents, 120_000)
  })

  const roll = (...args: string[]) => program('roll', [service, ...args, '--http-addr', (agents[1] as Agent).http])
  const fails = async (...args: string[]) => {
    const { exitCode, stderr } = await execa(...command(...args), { reject: false, stdin: 'ignore' })
    return { exitCode, stderr }
  }
  const command = (...args: string[]): [string, string[]] => {
    const [node, ...rest] = onHost(agents[1] as Agent, 'roll')
    return [node, [...rest, service, ...args, '--http-addr', (agents[1] as Agent).http]]
  }

  async function record(): Promise<Roll> {
    return JSON.parse(await roll('--json')).roll as Roll
  }

  /** The version in each lock: version -> how many partitions. */
  async function versions(): Promise<Record<string, number>> {
    const [asked] = agents as [Agent]
    const entries = await asked.api<{ Value: string }[]>('GET', `/v1/kv/watchbill/${service}/lock/?recurse`)
    const found: Record<string, number> = {}
    for (const { Value } of entries) {
      const { version } = JSON.parse(Buffer.from(Value, 'base64').toString())
      found[version] = (found[version] ?? 0) + 1
    }
    return found
  }

  const reaches = (...states: string[]) =>
    until(
      `the roll-out to be ${states}`,
      async see => {
        const now = await record()
        see(`${now.state} ${now.reached}/${now.of} ${now.why ?? ''}`)
        return states.includes(now.state) && now
      },
      { deadline: 300_000, every: 300 },
    )

  /** The most partitions that nobody beat for at one time since then, by the beats alone. */
  async function mostDown(since: number): Promise<number> {
    return mostAtOnce(await work.beats(), since)
  }

  async function isFaultless(): Promise<void> {
    const beats = await work.beats()
    assert.deepEqual([...overlaps(beats), ...stepsBack(beats)], [])
  }

  it('reaches every partition, and never has more than two down', async (t: TestContext) => {
    const begun = bootClock()
    t.diagnostic(await roll('--to', '1.1', ...quick, '--wait', '10m'))
    t.diagnostic(`${(bootClock() - begun) / 1000} s for 30 partitions`)
    assert.deepEqual(await versions(), { '1.1': 30 })
    const down = await mostDown(begun)
    t.diagnostic(`at most ${down} were down at once`)
    assert.ok(down <= 2)
    await settled(work, agents)
    await isFaultless()
  })

  for (const [version, why] of [
    ['2.0-crash', /ended \d+ times since its start|fails: /],
    ['2.0-late', /ended \d+ times since its start|fails: /],
    ['2.0-check', /is not ready after 20 s/],
  ] as const)
    it(`stops at ${version}, never has more than two down, and goes back`, async (t: TestContext) => {
      const begun = bootClock()
      await roll('--to', version, ...quick, '--settle', '10s')
      const stopped = await reaches('stopped', 'done')
      t.diagnostic(`after ${(bootClock() - begun) / 1000} s: ${stopped.why}`)
      assert.equal(stopped.state, 'stopped')
      assert.match(stopped.why ?? '', why)
      const found = await versions()
      assert.ok((found[version] ?? 0) <= 2, JSON.stringify(found))
      assert.match((await fails('--to', '3.0')).stderr, /permanent: .* is under way since .*, by /)
      await roll('--revert')
      await reaches('reverted')
      assert.deepEqual(await versions(), { '1.1': 30 })
      await settled(work, agents)
      const down = await mostDown(begun)
      t.diagnostic(`at most ${down} were down at once`)
      assert.ok(down <= 2)
      await isFaultless()
    })

  it('goes back by itself where that is asked for', async () => {
    const { exitCode, stderr } = await fails('--to', '2.1-crash', ...quick, '--auto-revert', '--wait', '5m')
    assert.deepEqual([exitCode, /went back: /.test(stderr)], [100, true])
    assert.deepEqual(await versions(), { '1.1': 30 })
    await settled(work, agents)
  })

  it('names the machine that cannot prepare a version, and moves nothing', async () => {
    await roll('--to', '2.0-absent', ...quick)
    const { why, before } = await reaches('stopped')
    assert.match(why ?? '', /^(a1|a2|s1):work cannot prepare 2\.0-absent: exit 1: no such version$/)
    assert.equal(before, 'preparing')
    assert.deepEqual(await versions(), { '1.1': 30 })
    await roll('--revert')
    await reaches('reverted')
  })

  it('is refused for a version that the pattern forbids', async () => {
    for (const version of ['2', '2.0-other', '../2.0', '-x'])
      assert.match((await fails(`--to=${version}`)).stderr, /permanent: .*(does not fit versions\.pattern|no version)/)
  })

  it('waits for a person after its canary, and stays paused over an agent’s restart', async () => {
    await roll('--to', '1.2', ...quick, '--canary', '1', '--ack')
    await reaches('waiting')
    assert.deepEqual(await versions(), { '1.1': 29, '1.2': 1 })
    await roll('--proceed')
    await until('some more', async see => (see(await versions())['1.2'] ?? 0) >= 4, { deadline: 60_000, every: 300 })
    await roll('--pause')
    const agent = agents[0] as Agent
    await agent.stop('SIGTERM')
    await agent.start()
    await settled(work, agents)
    const { '1.2': before } = await versions()
    const paused = await record()
    assert.equal(paused.state, 'paused')
    assert.equal((await versions())['1.2'], before)
    await roll('--resume')
    await reaches('done')
    assert.deepEqual(await versions(), { '1.2': 30 })
    await settled(work, agents)
    await isFaultless()
  })

  it('ends although who began it is killed, and then the holder of the duty', async (t: TestContext) => {
    const begun = bootClock()
    const [node, args] = command('--to', '1.3', ...quick, '--wait', '10m')
    const starter = spawn(node, args, { stdio: 'ignore' })
    await until('some', async see => (see(await versions())['1.3'] ?? 0) >= 4, { deadline: 90_000, every: 300 })
    starter.kill('SIGKILL')
    await until('more', async see => (see(await versions())['1.3'] ?? 0) >= 8, { deadline: 90_000, every: 300 })
    const [entry] = await (agents[2] as Agent).api<{ Value: string }[]>(
      'GET',
      `/v1/kv/watchbill/${service}/duty/rollout`,
    )
    const { by } = JSON.parse(Buffer.from(entry?.Value ?? '', 'base64').toString())
    const holder = agents.find(({ name }) => by === `${name}:${service}`) as Agent
    t.diagnostic(`${by} had the duty`)
    assert.equal(holder.server, false)
    await holder.stop('SIGKILL')
    const left = agents.filter(agent => agent !== holder)
    await until(
      'the roll-out to be done',
      async see =>
        see(JSON.parse(await program('roll', [service, '--json', '--http-addr', (left[1] as Agent).http])).roll)
          .state === 'done',
      {
        deadline: 300_000,
        every: 500,
      },
    )
    assert.deepEqual(await versionsOn(left[1] as Agent), { '1.3': 30 })
    await settled(work, left, 60_000)
    await holder.start()
    await settled(work, agents, 60_000)
    t.diagnostic(`${(bootClock() - begun) / 1000} s`)
    await isFaultless()
  })

  async function versionsOn(asked: Agent): Promise<Record<string, number>> {
    const entries = await asked.api<{ Value: string }[]>('GET', `/v1/kv/watchbill/${service}/lock/?recurse`)
    const found: Record<string, number> = {}
    for (const { Value } of entries) {
      const { version } = JSON.parse(Buffer.from(Value, 'base64').toString())
      found[version] = (found[version] ?? 0) + 1
    }
    return found
  }

  it('is for some partitions only, which keep that version', async () => {
    await roll('--to', '1.4', ...quick, '--only', '2*', '--wait', '5m')
    assert.deepEqual(await versions(), { '1.3': 19, '1.4': 11 })
    await program('restart', [service, '20', '3', '--http-addr', (agents[1] as Agent).http])
    await settled(work, agents)
    assert.deepEqual(await versions(), { '1.3': 19, '1.4': 11 })
  })

  it('restarts everything without a version, too', async (t: TestContext) => {
    const before = bootClock()
    const old = new Set(runs(await work.beats()).map(({ pid }) => pid))
    const http = (agents[1] as Agent).http
    await program('restart', [service, '--rolling', ...quick, '--http-addr', http])
    assert.deepEqual(await versions(), { '1.3': 19, '1.4': 11 })
    const beats = (await work.beats()).filter(({ at }) => at > bootClock() - 1000)
    assert.deepEqual([...new Set(beats.flatMap(({ pid }) => (old.has(pid) ? [pid] : [])))], [])
    const down = await mostDown(before)
    t.diagnostic(`${(bootClock() - before) / 1000} s; at most ${down} were down at once`)
    assert.ok(down <= 2)
    await isFaultless()
  })
})

/**
 * By sweeping over the times between the last beat of a process and the first one of the next. Not by `runs`: pids come again, and
 * a restart keeps the token.
 */
function mostAtOnce(beats: Beat[], since: number): number {
  const changes: [at: number, by: number][] = []
  for (const own of Map.groupBy(beats, ({ partition }) => partition).values()) {
    for (const [place, beat] of own.entries()) {
      const next = own[place + 1]
      const isGap = next !== undefined && (next.pid !== beat.pid || beat.stop)
      if (isGap && next.at > since) changes.push([beat.at, 1], [next.at, -1])
    }
  }
  let [now, most] = [0, 0]
  for (const [, by] of changes.sort(([a, x], [b, y]) => a - b || x - y)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}
