/** The figures of a tick, beside a live process, and whatever can be wrong with the place where they are kept. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { Consul } from '../../lib/consul/http.ts'
import { figuresOfTick } from '../../lib/guard/figures.ts'
import type { Seen } from '../../lib/guard/guard.ts'
import { processOf } from '../../lib/machine/identity.ts'
import { keepEvents } from '../../lib/state/events.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { recentOf } from '../../lib/state/figures/recent.ts'
import { allRows, writeRow } from '../../lib/state/figures/ring.ts'
import { instanceRing, partitionRing, ringsOf } from '../../lib/state/figures/rings.ts'
import { extendLease, writeLease } from '../../lib/state/lease.ts'
import { localFacts } from '../../lib/state/local.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { me } from '../fixtures/cluster.ts'
import { disk, withoutMounts } from '../fixtures/disk.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const interval = 2000

/** An instance with a partition that runs. A tick looks at every partition, as if none had come for 30 s. */
async function instance(t: TestContext) {
  const files = stateOf(t)
  const own = partitionIn(files, '7')
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const process = await until('the process to start', () => processOf(child.pid as number))
  const proof = bootClock() - 1500
  extendLease(files, proof, bootClock())
  writeLease(own, { from: proof, own: proof })
  const facts = { acquisition: 'x', index: '9', token: '9', terms: '10000 3000', restarts: '2', status: 'running' }
  const more = { process: `${process.pid} ${process.start}`, exit: 'exit 3 after 2 s at 1700000000' }
  for (const [name, value] of Object.entries({ ...facts, ...more })) writeFact(own[name as 'index'], value)
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  const tick = async (renewed = true, self = here) => {
    const now = bootClock()
    const local = localFacts(files, now - 1500, now)
    const acquired = new Map([['7', 4]])
    const renewal = { proved: ['7'], acquired, lost: [], unusable: [], member: true, missing: null }
    const seen: Seen = { local, renewal: renewed ? renewal : null, answered: bootClock() }
    if (self === here) backdate(files.instanceRing)
    await figuresOfTick(self, interval, seen, limit => new Consul({ limit }))
  }
  /** The last tick seems to have come 29 s ago. */
  const backdate = (file: string) => {
    if (!existsSync(file)) return
    const [last] = allRows(file, instanceRing(interval), bootClock()).slice(-1)
    if (!last) return
    rmSync(file)
    writeRow(file, instanceRing(interval), { ...last, boot: last.boot - 29_999 })
  }
  const seed = () => {
    mkdirSync(`${files.figures}/partition`, { recursive: true })
    mkdirSync(`${files.figures}/own`, { recursive: true })
    writeRow(files.instanceRing, instanceRing(interval), { boot: bootClock() - interval, at: 1, figures: {}, text: '' })
  }
  const log = () => readFact(files.log)?.split('\n') ?? []
  return { files, own, tick, seed, log, here, ring: ringsOf(files, '7').partition }
}

describe('the figures of a tick', () => {
  it('are a row for the instance, with what it took and what the lease had left', async t => {
    const { files, tick } = await instance(t)
    await tick()
    await tick(false)
    const rows = allRows(files.instanceRing, instanceRing(interval), bootClock())
    const last = rows.at(-1)?.figures ?? {}
    assert.deepEqual([last.ticks, last.partitions, last.proved, last.lost_all], [2, 1, undefined, 0])
    assert.ok((last.tick_ms ?? 0) > 0 && (last.ticks_ms ?? 0) > (last.tick_ms ?? 0))
    const margin = last.margin_ms ?? 0
    assert.ok(margin > 7000 && margin <= 8500, `${margin} ms of 10 s are left 1.5 s after the last proof`)
  })

  it('are a row for a partition whose turn it is', async t => {
    const { files, own, tick, seed } = await instance(t)
    seed()
    writeFileSync(own.metrics, '# TYPE lag gauge\nlag{topic="a"} 12\n')
    await tick()
    const { figures } = recentOf(files, '7', bootClock())?.row ?? assert.fail('there is no row')
    const { restarts, exits, exit_code, acquired, processes } = figures
    assert.deepEqual(
      { restarts, exits, exit_code, acquired, processes },
      {
        ...{ restarts: 2, exits: 2, exit_code: 3, acquired: 4, processes: 1 },
      },
    )
    assert.ok((figures.memory ?? 0) > 100_000 && figures.threads === 1 && (figures.files ?? 0) >= 3)
    assert.deepEqual(recentOf(files, '7', bootClock())?.own, { 'lag{topic="a"}': 12 })
  })

  it('tell which limits a partition is near to, until it is not, and what the kernel killed of it', async t => {
    const { files, own, tick, seed } = await instance(t)
    const [used, kills] = [`${own.directory}/used`, `${own.directory}/kills`]
    const next = async (bytes: number, killed: number) => {
      writeFileSync(used, `${bytes}\n`)
      writeFileSync(kills, `oom_kill_disable 0\noom_kill ${killed}\n`)
      seed()
      await tick()
    }
    writeFact(own.limits, `oom ${kills} its memory limit of 100 MB\nmemory ${used} 100000000`)
    await next(95_000_000, 0)
    assert.equal(readFact(own.near), 'run.memory, 100000000')
    assert.equal(readFact(own.oom), null)
    await next(10_000_000, 2)
    assert.equal(readFact(own.near), null)
    assert.match(readFact(own.oom) ?? '', /^2 \d{10}$/)
    await next(10_000_000, 2)
    await next(10_000_000, 3)
    const { events } = keepEvents(files, () => []).ring
    assert.deepEqual(
      events.map(({ event: { what, partitions, why } }) => [what, ...partitions, why]),
      [
        ['killed for memory', '7', '2 of its processes'],
        ['killed for memory', '7', 'one of its processes'],
      ],
    )
  })

  it('name bad lines of a program once', async t => {
    const { own, tick, seed, log } = await instance(t)
    seed()
    writeFileSync(own.metrics, 'lag twelve\nup 1\n')
    await tick()
    await tick()
    const lines = log().filter(line => line.includes('lag twelve'))
    assert.equal(lines.length, 1, log().join('\n'))
  })

  it('forget a partition that has been gone for an hour', async t => {
    const { files, tick, seed } = await instance(t)
    seed()
    const old = ringsOf(files, 'gone')
    for (const file of [old.partition, old.own, ringsOf(files, 'lately').partition]) writeFileSync(file, '')
    const long = Date.now() / 1000 - 3601
    for (const file of [old.partition, old.own]) utimesSync(file, long, long)
    await until('a round to end', async () => {
      await tick()
      return !existsSync(old.partition)
    })
    assert.ok(!existsSync(old.own) && existsSync(ringsOf(files, 'lately').partition))
  })
})

describe('figures that cannot be kept', () => {
  it('are begun anew after a torn ring, which the log says', async t => {
    const { files, tick, seed, log, ring } = await instance(t)
    seed()
    await tick()
    truncateSync(ring, 500)
    await tick()
    assert.match(log().join('\n'), /guard: figures: \S+\/partition\/7 was torn or not ours, and is begun anew/)
    assert.equal(allRows(ring, partitionRing, bootClock()).length, 1)
    assert.ok(allRows(files.instanceRing, instanceRing(interval), bootClock()).length > 0)
  })

  const faults: [what: string, break_: (figures: string) => void][] = [
    ['whose directory is a file', figures => writeFileSync(figures, '')],
    ['whose rings are directories', figures => mkdirSync(`${figures}/instance`, { recursive: true })],
    ['whose directories are missing', figures => mkdirSync(figures)],
  ]
  for (const [what, break_] of faults) {
    it(`cost one line in a minute: those ${what}`, async t => {
      const { files, tick, log } = await instance(t)
      break_(files.figures)
      for (let count = 0; count < 3; count++) await tick()
      assert.ok(log().length <= 1, log().join('\n'))
    })
  }

  it('cost one line in a minute where nothing may be written', {
    skip: process.getuid?.() === 0 && 'as root',
  }, async t => {
    const { files, tick, log } = await instance(t)
    mkdirSync(files.figures)
    chmodSync(files.figures, 0o500)
    for (let count = 0; count < 3; count++) await tick()
    assert.ok(log().length <= 1, log().join('\n'))
  })

  for (const how of ['full', 'read-only'] as const) {
    it(`cost one line in a minute on a disk that is ${how}`, { skip: withoutMounts }, async t => {
      const { files, tick, here } = await instance(t)
      const small = disk(t, 'size=8m,nr_inodes=200')
      const there = instanceFiles(small.directory, me)
      cpSync(files.directory, there.directory, { recursive: true })
      if (how === 'full') small.fill()
      else small.remount('ro')
      for (let count = 0; count < 3; count++) await tick(true, { ...here, files: there })
      const lines = readFact(there.log)?.split('\n') ?? []
      assert.ok(lines.length <= 1, lines.join('\n'))
    })
  }

  it('go on in rings that are there already on a disk that is full', { skip: withoutMounts }, async t => {
    const { files, tick, seed, here } = await instance(t)
    const small = disk(t, 'size=8m,nr_inodes=200')
    const there = instanceFiles(small.directory, me)
    seed()
    cpSync(files.directory, there.directory, { recursive: true })
    small.fill()
    await tick(true, { ...here, files: there })
    assert.equal(allRows(there.instanceRing, instanceRing(interval), bootClock()).length, 2)
  })

  it('leave the partition alone whose process vanished meanwhile', async t => {
    const { files, own, tick, seed, log } = await instance(t)
    seed()
    rmSync(own.directory, { recursive: true })
    await tick()
    assert.deepEqual(log(), [])
    assert.ok(readFileSync(files.instanceRing).length > 0)
  })
})
