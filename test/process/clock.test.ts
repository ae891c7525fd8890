/** The one clock of an instance: whoever goes by it has no timer, and ends with its lease whatever becomes of the clock. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
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
import { isAlive, type Process, parseProcess, signal } from '../../lib/machine/identity.ts'
import { startClock } from '../../lib/process/shepherd/clock.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { endClock, stateOfClock } from '../../lib/state/clock.ts'
import { readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { instanceLease, never, writeLease } from '../../lib/state/lease.ts'
import type { InstanceFiles, PartitionFiles } from '../../lib/state/paths.ts'
import { definition } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'
import { children, Partition, proc, shepherdFile } from './partition.ts'

const lease = 2000
const ids = ['0', '1', '2']
const every = { every: 10, deadline: 10_000 }

/** Partitions that run, whose shepherds go by a clock, and whose lease is renewed until `renewals` are ended. */
class Instance {
  readonly files: InstanceFiles
  readonly partitions: readonly PartitionFiles[]
  #renewals: ChildProcess | null = null

  constructor(t: TestContext) {
    this.files = stateOf(t)
    this.partitions = ids.map(id => partitionIn(this.files, id))
    t.after(async () => {
      this.#renewals?.kill('SIGKILL')
      await killMarked(this.files.directory)
    })
  }

  static async running(t: TestContext): Promise<Instance> {
    const instance = new Instance(t)
    await instance.start()
    await instance.clocked()
    return instance
  }

  async start(own = lease): Promise<void> {
    this.renew()
    const starts = this.partitions.map((files, n) => this.#held(files, ids[n] as string, own))
    const run = { ...definition.run, command: ['/bin/sleep', '1000'], env: { PATH: '/nowhere' }, cwd: null }
    await startShepherds({ ...definition, run }, starts)
    await until('all to run', () => this.partitions.every(({ status }) => readLine(status) === 'running'), every)
  }

  async clocked(): Promise<void> {
    await startClock(this.files, lease)
    await this.goByIt()
  }

  async goByIt(): Promise<void> {
    await until('all to have no timer', () => this.partitions.every(one => timerOf(one) === null), every)
  }

  get clock(): Process {
    return parseProcess(readFact(this.files.clock.promise)?.split(' ', 2).join(' ') ?? null) ?? assert.fail('no clock')
  }

  /** Renews the lease every 100 ms, in a process of its own. */
  renew(): void {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for the shell
    const line = 'while read -r up rest </proc/uptime; do echo "$1 ${up%.*}${up#*.}0" >l; mv l lease; sleep 0.1; done'
    const cwd = this.files.directory
    this.#renewals = spawn('sh', ['-c', line, 'sh', bootId()], { cwd, stdio: 'ignore' })
  }

  /** @returns when the lease is over */
  async cutOff(): Promise<number> {
    const renewals = this.#renewals
    renewals?.kill('SIGKILL')
    await until('the renewals to end', () => renewals?.signalCode, every)
    return (instanceLease(this.files, bootClock()) ?? Number.NaN) + lease
  }

  /** When each process was gone, from the end of the lease on, ms. */
  async lateness(end: number): Promise<number[]> {
    const processes = this.partitions.map(workerOf)
    return Promise.all(processes.map(async one => (await until('its end', () => gone(one), { every: 2 })) - end))
  }

  #held(files: PartitionFiles, partition: string, own: number) {
    writeFact(files.acquisition, `acquisition of ${partition}`)
    writeLease(files, { from: 0, own: bootClock() })
    return {
      ...{ files, service: 'svc', instance: 'a:svc', node: 'a', partition, version: '', token: '1' },
      ...{ acquisition: `acquisition of ${partition}`, lease: own, grace: 400 },
    }
  }
}

const shepherdOf = ({ shepherd }: PartitionFiles) => parseProcess(readLine(shepherd)) ?? assert.fail('no shepherd')
const workerOf = ({ process }: PartitionFiles) => parseProcess(readLine(process)) ?? assert.fail('no process')
const gone = (process: Process) => !isAlive(process) && bootClock()

const isSleep = (pid: number) => proc(pid, 'comm') === 'sleep\n'

/** The child of a shepherd that is not its process. */
function timerOf(files: PartitionFiles): number | null {
  const { pid } = workerOf(files)
  return children(shepherdOf(files).pid).find(child => child !== pid) ?? null
}

function assertInTime(late: readonly number[]): void {
  // The boot clock goes in steps of 10 ms; the rest is what a busy machine takes.
  assert.ok(
    late.every(ms => ms >= -30 && ms < 1500),
    late.join(),
  )
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
    await until('the clock to end', () => stateOfClock(instance.files.clock, bootClock()) === 'none', every)
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
    assert.equal(stateOfClock(files.clock, bootClock()), 'runs')
    assert.equal(stateOfClock(files.clock, bootClock() + lease + 1000), 'held up')
    signal(clock, 'SIGSTOP')
    await until('it to be stopped', () => stateOfClock(files.clock, bootClock()) === 'stopped', every)
    writeFileSync(files.clock.promise, '') // as on a full disk
    assert.equal(stateOfClock(files.clock, bootClock()), 'stopped')
    endClock(files.clock)
    await until('it to be gone', () => stateOfClock(files.clock, bootClock()) === 'none', every)
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
