/** Whatever becomes of the files of events and health: nobody's lease, nobody's process, and the next tick goes on. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs, { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { publishOfTick, tellAfterVerdict } from '../../lib/guard/after-verdict.ts'
import { guard, type Seen } from '../../lib/guard/guard.ts'
import { healthKey, parseHealth } from '../../lib/keys/health.ts'
import { isAlive, processOf } from '../../lib/machine/identity.ts'
import { readEvents } from '../../lib/operate/events/read.ts'
import { enterState } from '../../lib/state/boot.ts'
import { noteEvents } from '../../lib/state/events.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { extendLease, instanceLease, writeLease } from '../../lib/state/lease.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'
import { locals, me, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { disk, withoutMounts } from '../fixtures/disk.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const { keys } = snapshotOf()
const interval = 2000

const told = async ({ consul }: FakeConsul) => (await readEvents(consul, { service: 'svc' })).map(({ what }) => what)
const health = ({ memory }: FakeConsul) => {
  const value = memory.keys.get(healthKey('svc', me))?.Value
  return value ? parseHealth(Buffer.from(value, 'base64').toString()) : null
}

/** An instance that holds partition 0, whose process runs. */
async function holder(t: TestContext, files: InstanceFiles = stateOf(t)) {
  const fake = await fakeConsul(t)
  const { consul, memory } = fake
  enterState(files, me, 'svc')
  const partition = partitionIn(files, '0')
  const child = spawn('sleep', ['60'], { env: { WATCHBILL_DIR: partition.directory }, detached: true, stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const worker = await until('the process to start', () => processOf(child.pid as number))
  const session = memory.session(sessionOf(me), 'a', `watchbill ${me}`)
  memory.lock(keys.member(me), session, '{}')
  const index = memory.lock(keys.lock('0'), session, '{}')
  const proof = bootClock() - 1000
  extendLease(files, proof, bootClock())
  writeLease(partition, { from: proof, own: proof })
  const facts = { acquisition: 'x', index, token: index, terms: '10000 3000', status: 'running' }
  const { pid, start } = processOf(process.pid) ?? assert.fail()
  const processes = { process: `${worker.pid} ${worker.start}`, shepherd: `${pid} ${start}` }
  for (const [name, value] of Object.entries({ ...facts, ...processes }))
    writeFact(partition[name as 'index'], `${value}`)
  writeFact(files.session, session)
  process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
  process.env.WATCHBILL_FIGURES = 'off'
  t.after(() => {
    delete process.env.CONSUL_HTTP_ADDR
    delete process.env.WATCHBILL_FIGURES
  })
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  /** A tick as Consul runs it. @returns whether it left the lock, the lease and the process as they are to be */
  const tick = async () => {
    const before = bootClock()
    const { code, sentence, seen } = await guard(here, interval)
    await tellAfterVerdict(here, interval, seen as Seen, () => consul.another(2000), 0)
    assert.deepEqual([code, sentence], [0, '1 locks held'])
    assert.ok((instanceLease(files, bootClock()) ?? 0) >= before, 'the lease was not renewed')
    assert.ok(isAlive(worker), 'the process has ended')
  }
  return { fake, files, here, tick }
}

describe('a tick renews the lease, and ends no process, whatever stands in the place of', () => {
  const big = Buffer.alloc(1e6, 7)
  const instead = (make: (file: string) => void) => (file: string) => {
    rmSync(file, { recursive: true, force: true })
    make(file)
  }
  const pipe = instead(file => execFileSync('mkfifo', [file]))
  const folder = instead(file => mkdirSync(`${file}/more`, { recursive: true }))
  const garbage = instead(file => writeFileSync(file, big))
  const gone = instead(() => {})
  const link = instead(file => symlinkSync('/nowhere/at/all', file))
  const ahead = instead(file =>
    writeFileSync(file, `${bootId()} published 99999999999999\n0 1 - 0\n\n- 99999999999999 0`),
  )
  const files: [
    name: 'eventRing' | 'eventSpool' | 'eventsPublished' | 'eventsPending' | 'health',
    ...breaks: Break[],
  ][] = [
    ['eventRing', ['garbage', garbage], ['a folder', folder], ['a pipe', pipe], ['a link', link], ['nothing', gone]],
    ['eventSpool', ['garbage', garbage], ['a folder', folder], ['a pipe', pipe], ['a link', link]],
    ['eventsPublished', ['garbage', garbage], ['a folder', folder], ['nothing', gone]],
    ['eventsPending', ['garbage', garbage], ['a folder', folder]],
    ['health', ['garbage', garbage], ['a folder', folder], ['a time ahead of the clock', ahead], ['nothing', gone]],
  ]
  for (const [name, ...breaks] of files)
    for (const [what, break_] of breaks)
      it(`${name}: ${what}`, async t => {
        const { files, tick, fake } = await holder(t)
        noteEvents(files, [{ what: 'joined', index: 1 }])
        await tick()
        assert.deepEqual([...(await told(fake))].sort(), ['acquired', 'joined', 'started'])
        break_(files[name])
        for (const after of [1, 2, 3]) {
          noteEvents(files, [{ what: 'lost', partitions: [`${after}`], index: after }])
          await tick()
        }
        const said = (readFact(files.log) ?? '').split('\n')
        assert.ok(said.length <= 3, said.join('\n'))
        const isStuck = what === 'a folder' && name !== 'eventRing' && name !== 'eventSpool'
        if (isStuck) rmSync(files[name], { recursive: true })
        rmSync(files.eventsPending, { force: true }) // it is not put off any longer
        noteEvents(files, [{ what: 'lost', partitions: ['4'], index: 4 }])
        await tick()
        assert.ok((await told(fake)).filter(one => one === 'lost').length >= 2, (await told(fake)).join(' '))
        assert.equal(health(fake)?.partitions.size, 1)
      })

  it('nothing at all: the disk is full', { skip: withoutMounts }, async t => {
    const small = disk(t, 'size=2m,nr_inodes=1000')
    const { files, tick, fake } = await holder(t, instanceFiles(small.directory, me))
    await tick()
    small.fill()
    noteEvents(files, [{ what: 'lost', partitions: ['7'], index: 7 }])
    for (let more = 0; more < 3; more++) await tick()
    rmSync(`${small.directory}/filler`, { recursive: true })
    rmSync(files.eventsPending, { force: true })
    noteEvents(files, [{ what: 'lost', partitions: ['8'], index: 8 }])
    await tick()
    assert.ok((await told(fake)).includes('lost'))
    assert.equal(health(fake)?.partitions.size, 1)
  })
})

type Break = [what: string, break_: (file: string) => void]

/**
 * Does the work of a process that is killed at its n-th step: from there on nothing is written, and Consul gets nothing and
 * answers nothing. Steps are each change of the disk, each request before Consul has it, and each answer.
 */
async function killedAt(step: number, fake: FakeConsul, work: () => Promise<void>): Promise<boolean> {
  let count = 0
  const isDead = () => count >= step
  const next = () => {
    if (isDead() || ++count >= step) throw Object.assign(new Error('killed'), { code: 'EKILLED' })
  }
  const names = [
    'writeFileSync',
    'appendFileSync',
    'renameSync',
    'rmSync',
    'writeSync',
    'unlinkSync',
    'mkdirSync',
  ] as const
  const real = names.map(name => fs[name] as (...args: unknown[]) => unknown)
  for (const [at, name] of names.entries())
    Object.assign(fs, {
      [name]: (...args: unknown[]) => {
        next()
        return real[at]?.(...args)
      },
    })
  syncBuiltinESMExports()
  fake.script = request => {
    if (isDead() || ++count >= step) return { cut: true }
    const reply = fake.memory.answer(request)
    return ++count >= step ? { cut: true } : reply
  }
  try {
    await work().catch(() => {})
    return isDead()
  } finally {
    for (const [at, name] of names.entries()) Object.assign(fs, { [name]: real[at] })
    syncBuiltinESMExports()
    fake.script = () => undefined
  }
}

it('a tick that is killed at any step loses no event, tells none twice, and leaves the health to the next one', async t => {
  const fake = await fakeConsul(t)
  const files = stateOf(t)
  const run = contextOf(fake.consul, files)
  const connect = () => fake.consul.another(2000)
  const renewal = { proved: [], acquired: new Map(), lost: [], unusable: [], member: true, missing: null }
  let now = 1_000_000
  const tick = (index: number) => {
    const local = new Map([['0', locals.running({ index, process: { pid: index, start: '99000' } })]])
    return publishOfTick(run, { local, renewal, answered: 0 }, { now, interval, isLate: false }, connect)
  }
  await tick(100)
  let killed = 0
  const wanted = ['acquired', 'started']
  for (let step = 1; ; step++) {
    now += 20_000
    const index = 100 + step
    noteEvents(files, [{ what: 'lost', partitions: [`${step}`], index }])
    // Another acquisition each time, which runs another process.
    wanted.push('lost', 'acquired', 'exited', 'started')
    const isKilled = await killedAt(step, fake, () => tick(index))
    if (isKilled) killed++
    for (let more = 0; more < 2; more++) {
      now += 12_000
      await tick(index)
    }
    const counts = (of: readonly string[]) =>
      Object.entries(Object.groupBy(of, what => what)).map(([what, some]) => [what, some?.length])
    const all = await told(fake)
    assert.deepEqual(counts(all.slice(-100)).sort(), counts(wanted.slice(-100)).sort(), `after step ${step}`)
    assert.equal(health(fake)?.partitions.get('0')?.index, index, `after step ${step}`)
    if (!isKilled) break
  }
  assert.ok(killed >= 10, `it was killed at ${killed} steps`)
})
