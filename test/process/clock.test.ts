/** The one clock of an instance: whoever goes by it has no timer, and ends with its lease whatever becomes of the clock. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { isAlive, parseProcess, processOf, signal } from '../../lib/machine/identity.ts'
import { startClock } from '../../lib/process/shepherd/clock.ts'
import { clockNow, endClock, tend } from '../../lib/state/clock.ts'
import { readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { never, writeLease } from '../../lib/state/lease.ts'
import type { PartitionFiles } from '../../lib/state/partition-paths.ts'
import { stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { every, gone, Instance, isSleep, lease, timerOf, workerOf } from './clocked.ts'
import { children, Partition, shepherdFile } from './partition.ts'

function assertInTime(late: readonly number[]): void {
  // The boot clock goes in steps of 10 ms; the rest is what a busy machine takes.
  assert.ok(
    late.every(ms => ms >= -30 && ms < 1500),
    late.join(),
  )
}

/** An instance whose clock waits for a timer that is stopped. */
async function hung(t: TestContext): Promise<Instance> {
  const instance = await Instance.running(t)
  const { clock } = instance
  const sleeper = () => children(clock.pid).find(isSleep)
  await until(
    'its timer to be stopped',
    () => {
      const pid = sleeper()
      if (pid === undefined) return false
      process.kill(pid, 'SIGSTOP')
      t.after(() => process.kill(pid, 'SIGKILL'))
      return sleeper() === pid
    },
    every,
  )
  return instance
}

describe('an instance with a clock', { concurrency: 8 }, () => {
  it('has no timer but that, for as long as the lease is renewed', async t => {
    const instance = await Instance.running(t)
    const before = instance.partitions.map(workerOf)
    const ticks = new Set<string>()
    await until('three ticks', () => ticks.add(readFact(instance.files.clock.promise) ?? '').size > 3, every)
    assert.deepEqual(instance.partitions.map(timerOf), [null, null, null])
    assert.deepEqual(instance.partitions.map(workerOf), before)
    assert.ok(before.every(isAlive))
  })

  it('ends with its lease', async t => {
    const instance = await Instance.running(t)
    const late = await instance.lateness(await instance.cutOff())
    assertInTime(late)
    await until('the clock to end', () => clockNow(instance.files.clock, bootClock()).state === 'none', every)
  })

  for (const name of ['SIGKILL', 'SIGTERM'] as const) {
    it(`has a timer for each as soon as the clock has ended by ${name}, and goes by the next one`, async t => {
      const instance = await Instance.running(t)
      signal(instance.clock, name)
      await until('each to have a timer', () => instance.partitions.every(one => timerOf(one) !== null), every)
      await instance.clocked()
      assert.ok(instance.partitions.map(workerOf).every(isAlive))
      assertInTime(await instance.lateness(await instance.cutOff()))
    })
  }

  it('ends with its lease when the clock is killed in the middle of it', async t => {
    const instance = await Instance.running(t)
    const end = await instance.cutOff()
    signal(instance.clock, 'SIGKILL')
    assertInTime(await instance.lateness(end))
  })

  for (const [what, isOpen] of [
    ['', false],
    [', although somebody else has the pipe open', true],
  ] as const) {
    it(`ends with its lease when the clock hangs, because the guard ends the clock before${what}`, async t => {
      const instance = await hung(t)
      const { files } = instance
      if (isOpen) {
        const held = openSync(files.clock.pipe, 'r+')
        t.after(() => closeSync(held))
      }
      const end = await instance.cutOff()
      await instance.tend({ answered: false, isRenewed: false })
      assertInTime(await instance.lateness(end))
    })
  }

  it('writes down how a process ended, starts it again, and counts on the clock again', async t => {
    const instance = await Instance.running(t)
    const [one] = instance.partitions as [PartitionFiles]
    const before = workerOf(one)
    signal(before, 'SIGTERM')
    await until(
      'another one',
      see => see(readLine(one.status)) === 'running' && see(workerOf(one).pid) !== before.pid,
      every,
    )
    assert.match(readLine(one.exit) ?? '', /^exit 143 \(signal 15\) after/)
    await instance.goByIt()
  })

  it('has a timer for each when no guard looks after the clock any more, as after a return to an older release', async t => {
    const { files, partitions } = await Instance.running(t)
    writeFact(files.clock.tended, String(bootClock() - 60_000 - lease))
    await until('each to have a timer', () => partitions.every(one => timerOf(one) !== null), every)
    await until('the clock to end', () => clockNow(files.clock, bootClock()).state === 'none', every)
    assert.ok(partitions.map(workerOf).every(isAlive))
  })

  it('has a timer for each when the directory of the clock was replaced, and leaves the new one alone', async t => {
    const instance = await Instance.running(t)
    const { files, partitions, clock } = instance
    renameSync(files.clock.directory, `${files.directory}/aside`)
    mkdirSync(files.clock.directory)
    execFileSync('mkfifo', [files.clock.pipe])
    tend(files.clock, bootClock())
    await until('each to have a timer', () => partitions.every(one => timerOf(one) !== null), every)
    await until('the clock to end', () => !isAlive(clock), every)
    assert.deepEqual(readdirSync(files.clock.directory).sort(), ['pipe', 'tended'])
  })

  it('reads what a killed clock has left in the pipe: some kernels signal only the first line', async t => {
    const instance = await Instance.running(t)
    const { pipe } = instance.files.clock
    writeFileSync(pipe, '\n\n')
    signal(instance.clock, 'SIGKILL')
    await until('each to have a timer', () => instance.partitions.every(one => timerOf(one) !== null), every)
    await instance.clocked()
    const { stdout } = spawnSync('dd', [`if=${pipe}`, 'iflag=nonblock', 'bs=1', 'count=1'])
    assert.equal(stdout.toString(), '')
  })

  it('ends with its lease when the clock can open nothing any more', async t => {
    const instance = await Instance.running(t)
    const end = await instance.cutOff()
    execFileSync('prlimit', [`--pid=${instance.clock.pid}`, '--nofile=3:3'])
    assertInTime(await instance.lateness(end))
  })

  const taken: [string, (files: PartitionFiles) => void][] = [
    ['its lease is pinned', files => writeLease(files, { from: never, own: bootClock() })],
    ['its acquisition is replaced', files => writeFact(files.acquisition, 'another')],
    ['its acquisition is taken away', files => renameSync(files.acquisition, files.releasing)],
    ['its directory is removed', files => rmSync(files.directory, { recursive: true })],
  ]
  for (const [what, take] of taken) {
    it(`ends a partition within its lease when ${what}, although the lease goes on, and no other`, async t => {
      const instance = await Instance.running(t)
      const [one, ...others] = instance.partitions as [PartitionFiles, ...PartitionFiles[]]
      const process = workerOf(one)
      const at = bootClock()
      take(one)
      await until('its end', () => gone(process), every)
      assert.ok(bootClock() - at < lease + 1500, `${bootClock() - at} ms`)
      assert.ok(others.map(workerOf).every(isAlive))
    })
  }

  it('leaves a timer to whoever has a shorter lease than the clock goes by', async t => {
    const instance = new Instance(t)
    await instance.start(lease / 2)
    await startClock(instance.files, lease)
    const promises = new Set<string>()
    await until('three ticks', () => promises.add(readFact(instance.files.clock.promise) ?? '').size > 3, every)
    assert.ok(instance.partitions.every(one => timerOf(one) !== null))
    const end = (await instance.cutOff()) - lease / 2
    assertInTime(await instance.lateness(end))
  })

  it('counts a clock that is stopped, or late, as one that may wake nobody', async t => {
    const { files, clock } = await Instance.running(t)
    assert.equal(clockNow(files.clock, bootClock()).state, 'runs')
    assert.equal(clockNow(files.clock, bootClock() + lease + 1000).state, 'late')
    signal(clock, 'SIGSTOP')
    await until('it to be stopped', () => clockNow(files.clock, bootClock()).state === 'stopped', every)
    writeFileSync(files.clock.promise, '') // as on a full disk
    assert.equal(clockNow(files.clock, bootClock()).state, 'stopped')
    endClock(files.clock)
    await until('it to be gone', () => clockNow(files.clock, bootClock()).state === 'none', every)
  })

  it('has no clock for long that promises nothing, as while somebody else reads the pipe', async t => {
    const instance = await Instance.running(t)
    const { files } = instance
    endClock(files.clock)
    const hangs = spawn('sleep', ['1000'], { stdio: 'ignore' })
    t.after(() => hangs.kill('SIGKILL'))
    const silent = await until('one that hangs', () => processOf(Number(hangs.pid)), every)
    writeFact(files.clock.launched, `${silent.pid} ${silent.start}`)
    const guarded = async () => {
      await instance.tend({ answered: false })
      return !isAlive(silent)
    }
    await until('the guard to end it', guarded, { every: 100, deadline: 10_000 })
  })

  it('tries again on a machine without a usable clock once its own clock began anew', t => {
    const { clock } = stateOf(t)
    mkdirSync(clock.directory)
    const now = bootClock()
    const stateAt = (at: number) => {
      writeFact(clock.promise, `none ${bootId()} ${at}`)
      return clockNow(clock, now).state
    }
    assert.deepEqual([now - 1000, now - 600_000, now + 1000].map(stateAt), ['useless', 'none', 'none'])
  })

  it('has one clock, whoever starts another', async t => {
    const instance = await Instance.running(t)
    const { clock } = instance
    await startClock(instance.files, lease)
    await until('the second one to give up', () => {
      const second = parseProcess(readLine(instance.files.clock.launched))
      return second?.pid !== clock.pid && second !== null && !isAlive(second)
    })
    assert.deepEqual(instance.clock, clock)
    assert.ok(isAlive(clock))
  })

  it('hands none of the pipe on: neither to its processes, nor to what the clock sleeps by', async t => {
    const { partitions, files, clock } = await Instance.running(t)
    const sleeper = await until('the clock to sleep', () => children(clock.pid).find(isSleep), every)
    for (const pid of [sleeper, ...partitions.map(one => workerOf(one).pid)]) {
      await until('it to be what it will be', () => isSleep(pid), every)
      const held = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`))
      assert.ok(!held.includes(files.clock.pipe), held.join())
    }
  })

  it('misses no signal that comes just before a shepherd waits', async t => {
    const p = new Partition(t)
    const pipe = join(p.instance, 'clock/pipe')
    mkdirSync(join(p.instance, 'clock'))
    execFileSync('mkfifo', [pipe])
    // A clock that says nothing; and a shepherd that is signalled between its last look and the wait.
    const clock = spawn('sh', ['-c', 'exec 6<>"$1"; read -r _ <&6', 'sh', pipe], { stdio: 'ignore' })
    t.after(() => clock.kill('SIGKILL'))
    await until('the clock', () => existsSync(`/proc/${clock.pid}/fd/6`), every)
    writeFileSync(join(p.instance, 'clock/promise'), `${clock.pid} 1 ${bootClock() + 15_000} 20000\n`)
    const script = join(p.instance, 'shepherd.sh')
    const wait = '[ "$_news" ] || wait "$_pid"'
    const text = readFileSync(shepherdFile, 'utf8')
    assert.equal(text.split(wait).length, 2)
    const early = 'echo >>"$_dir/waits"; [ "$_news" ] || { kill -s URG $$; wait "$_pid"; }'
    writeFileSync(
      script,
      text.replace(wait, () => early),
    )
    const shell = ['sh', '-c', 'exec 8<>"$0"; exec sh "$@"', pipe]
    p.acquire()
    p.write('lease', `0 ${bootClock() - 100}\n`)
    p.renew()
    p.start({ shell, script, lease: 20_000, run: ['sleep', '1000'] })
    await until('it came back three times', () => p.text('waits').length >= 3, every)
  })
})
