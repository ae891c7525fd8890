import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { whileCutOff } from '../../lib/attend/cut-off.ts'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { Consul } from '../../lib/consul/http.ts'
import type { Definition, StandIn } from '../../lib/definition/definition.ts'
import { cutOffDue } from '../../lib/guard/cut-off.ts'
import { guard } from '../../lib/guard/guard.ts'
import { isAlive, parseProcess, processOf } from '../../lib/machine/identity.ts'
import { membersOf } from '../../lib/process/containment/containment.ts'
import { endStandIn, standInRuns } from '../../lib/process/stand-in.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { enterState } from '../../lib/state/boot.ts'
import { makeDirectory, readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { extendLease, never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { localOf } from '../../lib/state/local.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { hasStandIn } from '../../lib/state/stand-in.ts'
import { definition, heldBy, me } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const nowhere = '127.0.0.1:1'
/** Says who it is, and leaves a process of another session behind. */
const work =
  '[ -z "$WATCHBILL_TOKEN$WATCHBILL_PARTITION" ] && echo "$WATCHBILL_SERVICE"; setsid sleep 300 & exec sleep 300'
const run = ['/bin/sh', '-c', work]

/** An instance that is cut off, whose definition is in force. */
function cutOff(t: TestContext, more: Partial<Definition>) {
  const files = stateOf(t)
  enterState(files, me, 'svc')
  const whole: Definition = { ...definition, stop: { ...definition.stop, graceMs: 300 }, ...more }
  writeFact(
    files.definition,
    JSON.stringify({ file: '/nowhere', definition: whole, digest: '', shared: '', stamp: '' }),
  )
  process.env.CONSUL_HTTP_ADDR = nowhere
  t.after(async () => {
    delete process.env.CONSUL_HTTP_ADDR
    await endStandIn(files)
  })
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  const tick = () => guard(here, 2000)
  const act = (due: Partial<Parameters<typeof whileCutOff>[1]>) =>
    whileCutOff(here, { standIn: null, onBoot: false, ...due })
  return { files, here, tick, act, definition: whole }
}

const ofFile = ['--stand-in', 'run']

const connect = (limit: number) => new Consul({ limit })

describe('the stand-in of an instance that is cut off', () => {
  it('is due once its lease is over and Consul does not answer', async t => {
    const { tick, files } = cutOff(t, { whenIsolated: { run } })
    extendLease(files, bootClock() - 1000, bootClock())
    assert.equal((await tick()).starts.get('cut-off'), undefined)
    extendLease(files, bootClock(), bootClock())
    const over = cutOff(t, { whenIsolated: { run } })
    const { code, starts } = await over.tick()
    assert.deepEqual([code, starts.get('cut-off')], [2, ofFile])
  })

  it('is asked for ahead when the lease ends before the next tick, and waits until nothing runs', async t => {
    const before = cutOff(t, { whenIsolated: { run } })
    extendLease(before.files, bootClock() - 8000, bootClock())
    const [what, verb, after, ms] = (await before.tick()).starts.get('cut-off') ?? []
    assert.deepEqual([what, verb, after], [...ofFile, '--after'])
    assert.ok(Number(ms) > 500 && Number(ms) <= 2050, ms)
    const { files, act } = cutOff(t, { whenIsolated: { run } })
    const partition = partitionIn(files, '0')
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    const process = await until('a process', () => processOf(child.pid as number))
    writeFact(partition.process, `${process.pid} ${process.start}`)
    const acting = act({ standIn: 'run' })
    assert.equal(await Promise.race([acting, delay(400, 'waits')]), 'waits')
    child.kill('SIGKILL')
    assert.equal(await acting, 'started the stand-in')
  })

  it('is due for no other service', async t => {
    for (const whenIsolated of [undefined, 'keep'] as const) {
      const { tick } = cutOff(t, whenIsolated === undefined ? {} : { whenIsolated })
      assert.equal((await tick()).starts.get('cut-off'), undefined)
    }
  })

  it('runs without a token and a partition, in its own state directory, until it is ended with all that it left', async t => {
    const { act, files, tick } = cutOff(t, { whenIsolated: { run } })
    assert.equal(await act({ standIn: 'run' }), 'started the stand-in')
    const { standIn } = files
    const pid = await until(
      'it to run',
      () => readLine(standIn.status) === 'running' && parseProcess(readLine(standIn.process)),
    )
    await until('its word', () => readFileSync(standIn.output, 'utf8') === 'svc\n')
    assert.equal((await tick()).starts.get('cut-off'), undefined)
    assert.equal(await act({ standIn: 'run' }), 'nothing to do')
    await until('what it leaves behind', () => (membersOf([standIn]).get(standIn.directory)?.length ?? 0) >= 2)
    assert.equal(await act({ standIn: 'end' }), 'ended the stand-in')
    assert.ok(!isAlive(pid))
    assert.equal(membersOf([standIn]).size, 0)
    assert.ok(!hasStandIn(files))
  })

  it('is ended before anything else, when Consul answers', async t => {
    const { act, files, here } = cutOff(t, { whenIsolated: { run } })
    await act({ standIn: 'run' })
    await until('it to run', () => readLine(files.standIn.status) === 'running')
    extendLease(files, bootClock(), bootClock())
    const { consul } = await fakeConsul(t)
    await reconcile({ ...contextOf(consul, files), ...here }).catch(() => {}) // what comes then is of no matter here
    assert.ok(!hasStandIn(files))
    assert.ok(!standInRuns(files))
  })

  it('is not started beside a process of a partition, nor once Consul has answered', async t => {
    const { act, files } = cutOff(t, { whenIsolated: { run } })
    const partition = partitionIn(files, '0')
    writeFact(partition.acquisition, 'x')
    writeFact(partition.terms, '10000 3000')
    writeLease(partition, { from: never, own: bootClock() })
    assert.equal(await act({ standIn: 'run' }), 'nothing to do')
    const other = cutOff(t, { whenIsolated: { run } })
    extendLease(other.files, bootClock(), bootClock())
    assert.equal(await other.act({ standIn: 'run' }), 'nothing to do')
  })

  it('is not started beside what a shepherd left behind that was killed', async t => {
    const { act, files } = cutOff(t, { whenIsolated: { run } })
    const { directory } = partitionIn(files, '0')
    const child = spawn('sleep', ['60'], { env: { WATCHBILL_DIR: directory }, stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    await until('it to be found', () => membersOf([files.partition('0')]).size === 1)
    assert.equal(await act({ standIn: 'run' }), 'nothing to do')
  })

  it('is not started as long as stop.gone does not say that the work of a partition is gone', async t => {
    const stop = { ...definition.stop, graceMs: 300, gone: ['/bin/false'] }
    const { act, files } = cutOff(t, { whenIsolated: { run }, stop })
    assert.equal(await act({ standIn: 'run' }), 'started the stand-in')
    assert.equal(await act({ standIn: 'end' }), 'ended the stand-in')
    writeFact(partitionIn(files, '0').acquisition, 'x')
    assert.equal(await act({ standIn: 'run' }), 'nothing to do')
  })

  it('is ended still when the one who was ending it has died, whatever the definition says by now', async t => {
    const { files, tick } = cutOff(t, {})
    makeDirectory(files.standIn.directory)
    writeFact(files.standIn.releasing, 'stand-in-1')
    assert.deepEqual((await tick()).starts.get('cut-off'), ['--stand-in', 'end'])
    const { consul } = await fakeConsul(t)
    process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
    assert.deepEqual((await tick()).starts.get('reconcile'), ['--after', '0'])
  })

  it('does not outlive a boot in the state directory', async t => {
    const { act, files } = cutOff(t, { whenIsolated: { run } })
    await act({ standIn: 'run' })
    const { directory } = files.standIn
    assert.ok(existsSync(directory))
    await endStandIn(files)
    writeFact(files.identity, `${me}\nsvc\nanother-boot`)
    enterState(files, me, 'svc')
    assert.ok(!existsSync(directory))
  })
})

describe('the bounds of a stand-in', () => {
  /** What is due while the agent sees so many members; it reaches no server. */
  async function due(t: TestContext, seen: number | null, bounds: Omit<StandIn, 'run'>, more: object = {}) {
    const { files, definition } = cutOff(t, { whenIsolated: { run, ...bounds } })
    const fake = await fakeConsul(t)
    const alive = Array.from({ length: seen ?? 0 }, (_, n) => ({ Name: `n${n}`, Status: 1 }))
    const others = [
      { Name: 'failed', Status: 4 },
      { Name: 'left', Status: 3 },
    ]
    fake.script = ({ path }) =>
      path.startsWith('/v1/agent/members') ? { text: JSON.stringify([...alive, ...others]), ...more } : undefined
    if (seen !== null) process.env.CONSUL_HTTP_ADDR = new URL(fake.consul.address.origin).host
    return cutOffDue(files, definition, connect, true)
  }

  for (const [seen, runs] of [
    [0, false],
    [1, true],
    [2, true],
    [3, true],
    [4, false],
  ] as const) {
    it(`of 1 to 3: ${runs ? 'runs' : 'does not run'} with ${seen} members alive`, async t => {
      assert.deepEqual(await due(t, seen, { atLeast: 1, atMost: 3 }), runs ? ofFile : null)
    })
  }

  it('count nobody when the agent does not answer, or does not tell', async t => {
    assert.equal(await due(t, null, { atLeast: 1 }), null)
    assert.deepEqual(await due(t, null, { atMost: 0 }), ofFile)
    assert.deepEqual(await due(t, 3, { atMost: 0 }, { status: 403, text: 'Permission denied' }), ofFile)
    assert.deepEqual(await due(t, 3, { atMost: 0 }, { text: '{"a":1}' }), ofFile)
  })

  it('end it when they hold no more', async t => {
    const { files, act, definition } = cutOff(t, { whenIsolated: { run } })
    await act({ standIn: 'run' })
    const bounded = { ...definition, whenIsolated: { run, atLeast: 1 } }
    assert.deepEqual(await cutOffDue(files, bounded, connect, true), ['--stand-in', 'end'])
  })

  it('are looked at again where it is started', async t => {
    const { act } = cutOff(t, { whenIsolated: { run, atLeast: 1 } })
    assert.equal(await act({ standIn: 'run' }), 'nothing to do')
  })
})

describe('what this machine had, after a boot', () => {
  const acquisition = heldBy(me).acquisition.replaceAll(' ', '-')
  const keep = { whenIsolated: 'keep', onBoot: 'keep' } as const
  const command = ['/bin/sh', '-c', 'echo "$WATCHBILL_PARTITION $WATCHBILL_TOKEN"; exec sleep 300']

  /** As the boot before has left it: partition 0 was proved. @param over facts of it; undefined removes one */
  function rebooted(t: TestContext, over: Record<string, string | undefined> = {}, more: Partial<Definition> = keep) {
    const one = cutOff(t, { run: { ...definition.run, command }, ...more })
    const partition = partitionIn(one.files, '0')
    const facts = { acquisition, index: '100', token: '90', terms: '10000 3000 keep', status: 'running', ...over }
    for (const [name, value] of Object.entries(facts))
      if (value !== undefined) writeFact(partition[name as 'index'], value)
    if (!('lease' in over)) writeLease(partition, { from: 5, own: 5 })
    writeFact(one.files.identity, `${me}\nsvc\nanother-boot`)
    enterState(one.files, me, 'svc')
    const unreached = (ms: number) =>
      writeFact(one.files.unreached, `${bootId()} ${bootClock() - ms} ${bootClock() - 2000}`)
    t.after(async () => {
      const { stopAll } = await import('../../lib/process/stop.ts')
      await stopAll([{ partition: '0', files: partition, grace: 100, signal: 'SIGKILL' }], async () => {})
    })
    return { ...one, partition, unreached }
  }

  it('is started again once Consul has not answered for a lease, with its token, and is taken back as if it had gone on', async t => {
    const { tick, act, unreached, partition } = rebooted(t)
    assert.equal((await tick()).starts.get('cut-off'), undefined)
    unreached(9000)
    assert.equal((await tick()).starts.get('cut-off'), undefined)
    unreached(10_000)
    assert.deepEqual((await tick()).starts.get('cut-off'), ['--on-boot'])
    assert.match((await act({ onBoot: true })) ?? '', /^started 0 again before Consul is reached/)
    await until('its word', () => readFileSync(partition.output, 'utf8') === '0 90\n')
    assert.match(readFact(partition.kept) ?? '', new RegExp(`^${bootId()} ${acquisition} -$`))
    assert.equal(localOf(partition, null, bootClock()).leaseRuns, false, 'nobody has proved its lock: no lease says so')
    assert.equal(await act({ onBoot: true }), 'nothing to do')
    const { code, starts } = await tick()
    assert.deepEqual([code, starts.get('cut-off')], [0, undefined])
  })

  for (const [what, over, more] of [
    ['that Consul has said is lost', { lease: `${never} 5` }],
    ['that was being given back', { acquisition: undefined, releasing: acquisition }],
    ['whose lock was never known to be held', { index: undefined }],
    ['whose acquisition says nothing', { terms: '10000 3000' }],
    ['whose acquisition says run', { terms: '10000 3000 run' }],
    ['that has finished', { status: 'finished: exit 0' }],
    ['of a definition without onBoot', {}, { whenIsolated: 'keep' }],
  ] as [string, Record<string, string | undefined>, Partial<Definition>?][]) {
    it(`is not started: ${what}`, async t => {
      const { tick, act, unreached, partition } = rebooted(t, over, more)
      unreached(60_000)
      assert.equal((await tick()).starts.get('cut-off'), undefined)
      assert.equal(await act({ onBoot: true }), 'nothing to do')
      assert.ok(!existsSync(partition.output))
    })
  }

  it('is not started as long as stop.gone does not say that its work is gone', async t => {
    const there = { ...definition.stop, graceMs: 300, gone: ['/bin/false'] }
    const { act, partition } = rebooted(t, {}, { ...keep, stop: there })
    assert.equal(await act({ onBoot: true }), 'nothing to do')
    assert.ok(!existsSync(partition.output))
  })

  it('is started only once nothing of an earlier run is left', async t => {
    const { act, partition } = rebooted(t)
    const child = spawn('sleep', ['60'], { env: { WATCHBILL_DIR: partition.directory }, stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    const stray = await until('it to be found', () => membersOf([partition]).get(partition.directory)?.[0])
    assert.match((await act({ onBoot: true })) ?? '', /^started 0 again/)
    assert.ok(!isAlive(stray))
  })

  it('is not started when Consul has answered meanwhile', async t => {
    const { act, files } = rebooted(t)
    extendLease(files, bootClock(), bootClock())
    assert.equal(await act({ onBoot: true }), 'nothing to do')
  })

  it('counts the time anew where the agent did not run', async t => {
    const { tick, files } = rebooted(t)
    writeFact(files.unreached, `${bootId()} ${bootClock() - 60_000} ${bootClock() - 11_000}`)
    assert.equal((await tick()).starts.get('cut-off'), undefined)
  })

  for (const garbled of ['long ago', 'NaN', String(bootClock() + 3_600_000)])
    it(`counts the time anew where its beginning cannot be: ${garbled.slice(0, 8)}`, async t => {
      const { tick, files } = rebooted(t)
      writeFact(files.unreached, `${bootId()} ${garbled} ${bootClock() - 10}`)
      await tick()
      const [, since = '', last = ''] = readFact(files.unreached)?.split(' ') ?? []
      assert.ok(Number(since) > 0 && Number(since) <= Number(last), since)
    })

  it('forgets the time without an answer once Consul answers', async t => {
    const { tick, unreached, files } = rebooted(t)
    unreached(60_000)
    const { consul } = await fakeConsul(t)
    process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
    await tick()
    assert.ok(!existsSync(files.unreached))
  })
})

describe('a state directory', () => {
  it('has no partition by the name of the stand-in', () => {
    const { standIn, partition } = instanceFiles('/state', me)
    assert.notEqual(partition('.stand-in').directory, standIn.directory)
    assert.equal(partitionLease(standIn), null)
  })
})
