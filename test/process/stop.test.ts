import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../../lib/base/clock.ts'
import { isAlive, type Process, parseProcess, processOf, signal } from '../../lib/machine/identity.ts'
import { membersOf } from '../../lib/process/containment/containment.ts'
import { saysGone } from '../../lib/process/containment/gone.ts'
import { notStopped, type Stop, StopFailed } from '../../lib/process/shepherd/stop.ts'
import { startShepherds } from '../../lib/process/start.ts'
import { stopAll } from '../../lib/process/stop.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { writeLease } from '../../lib/state/lease.ts'
import type { PartitionFiles } from '../../lib/state/partition-paths.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { definition } from '../fixtures/cluster.ts'
import { partitionIn, stateOf as stateIn } from '../fixtures/state.ts'
import { lives, pids, rootsByDirectory, stateOf } from '../handlers/support/processes.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'

const polite = 'trap "echo TERM; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
const stubborn = 'trap "echo TERM" TERM; echo ready; while :; do sleep 0.05; done'
/** Without what a shell says of its own accord when a child was killed. */
const quiet = 'exec 2>/dev/null;'
const grace = 400

/** An instance whose processes end with the test. */
function place(test: TestContext): InstanceFiles {
  const files = stateIn(test)
  test.after(() => killMarked(files.directory))
  return files
}

/** A partition that is held, and whose shepherd was just started. */
async function launch(
  files: InstanceFiles,
  partition: string,
  script: string,
  patience = grace,
): Promise<PartitionFiles> {
  const own = partitionIn(files, partition)
  writeFact(own.acquisition, `acquisition of ${partition}`)
  writeLease(own, { from: 0, own: bootClock() })
  await startShepherds(
    { ...definition, run: { ...definition.run, command: ['/bin/sh', '-c', `${quiet} ${script}`] } },
    [
      {
        ...{ files: own, service: 'svc', instance: 'a:svc', node: 'a', partition, version: '', token: '7' },
        ...{ acquisition: `acquisition of ${partition}`, lease: 60_000, grace: patience },
      },
    ],
  )
  return own
}

async function running(
  files: InstanceFiles,
  partition: string,
  script: string,
  patience = grace,
): Promise<PartitionFiles> {
  const own = await launch(files, partition, script, patience)
  await until(`${partition} to run`, () => outputOf(own).includes('ready'))
  return own
}

/** A process of a partition whose shepherd is no more. */
async function orphan(test: TestContext, files: InstanceFiles, partition: string, script: string): Promise<Process> {
  const own = partitionIn(files, partition)
  const env = { PATH: process.env.PATH ?? '', WATCHBILL_DIR: own.directory }
  const child = spawn('/bin/sh', ['-c', `exec >"$WATCHBILL_DIR/output"; ${quiet} ${script}`], {
    env,
    detached: true,
    stdio: 'ignore',
  })
  test.after(() => child.kill('SIGKILL'))
  const found = processOf(child.pid as number) as Process
  await until('the orphan to run', () => membersOf([own]).size > 0)
  return found
}

function outputOf({ output }: PartitionFiles): string[] {
  return existsSync(output) ? readFileSync(output, 'utf8').trim().split('\n') : []
}

function stopOf(files: PartitionFiles, partition: string): Stop {
  return { partition, files, grace, signal: 'SIGTERM' }
}

/** Stops partitions. @returns the groups in which they went; whatever is told to be gone is seen to be gone then */
async function stop(files: InstanceFiles, ...partitions: string[]): Promise<string[][]> {
  const groups: string[][] = []
  const stops = partitions.map(partition => stopOf(files.partition(partition), partition))
  await stopAll(stops, async gone => {
    for (const { partition, files: own } of gone) {
      assert.equal(rootsByDirectory(files.partitions).get(partition), undefined, `${partition} still runs`)
      for (const fact of [own.shepherd, own.process]) assert.ok(!livesIn(fact), `${fact} still lives`)
    }
    groups.push(gone.map(({ partition }) => partition))
  })
  return groups
}

function livesIn(fact: string): boolean {
  const found = parseProcess(readFact(fact))
  return found !== null && isAlive(found)
}

/** 0 when there is none. */
function pidIn(fact: string): number {
  return Number(readFact(fact)?.split(' ')[0] ?? 0)
}

describe('stopping', { concurrency: 6 }, () => {
  it('asks the shepherd, which asks the process, and waits for both', async test => {
    const files = place(test)
    const own = await running(files, 'p', polite)
    assert.deepEqual(await stop(files, 'p'), [['p']])
    assert.deepEqual(outputOf(own), ['ready', 'TERM'])
    assert.equal(readFact(own.acquisition), null, 'nothing may be started any more')
    assert.equal(readFact(own.releasing), 'acquisition of p')
  })

  it('leaves the acquisition where it is to be started again', async test => {
    const files = place(test)
    const own = await running(files, '0', polite)
    await stopAll([{ ...stopOf(own, '0'), keeps: true }], async () => {})
    assert.equal(readFact(own.acquisition), 'acquisition of 0')
    assert.deepEqual(outputOf(own), ['ready', 'TERM'])
    assert.equal(readFact(own.status), 'stopped: asked')
  })

  it('kills what does not stop within its grace', async test => {
    const files = place(test)
    const own = await running(files, 'p', stubborn)
    const began = bootClock()
    assert.deepEqual(await stop(files, 'p'), [['p']])
    assert.ok(bootClock() - began >= grace)
    assert.deepEqual(outputOf(own), ['ready', 'TERM'])
  })

  it('kills a process that is stopped', async test => {
    const files = place(test)
    const own = await running(files, 'p', polite)
    process.kill(pidIn(own.process), 'SIGSTOP')
    assert.deepEqual(await stop(files, 'p'), [['p']])
  })

  it('fails with the partitions that are left, also where another file of a release says so', () => {
    const files = {} as PartitionFiles
    const left: Stop = { partition: 'p', files, grace, signal: 'SIGTERM' }
    assert.deepEqual(notStopped(new StopFailed([left])), ['p'])
    assert.deepEqual(notStopped(Object.assign(new Error('of its own class'), { partitions: ['p'] })), ['p'])
    assert.equal(notStopped(new Error('no room')), null)
  })

  it('tells of each partition as it goes', async test => {
    const files = place(test)
    await Promise.all([running(files, 'slow', stubborn, 5000), running(files, 'quick', polite)])
    assert.deepEqual(await stop(files, 'slow', 'quick'), [['quick'], ['slow']])
  })

  it('has nothing to wait for where nothing runs', async test => {
    const files = place(test)
    partitionIn(files, 'p')
    assert.deepEqual(await stop(files, 'p', 'never-there'), [['p', 'never-there']])
  })

  it('finds what a killed shepherd left', async test => {
    const files = place(test)
    const own = await running(files, 'p', `setsid sh -c '${stubborn}' & ${stubborn}`)
    process.kill(pidIn(own.shepherd), 'SIGKILL')
    assert.deepEqual(await stop(files, 'p'), [['p']])
  })

  it('signals a process without a shepherd itself', async test => {
    const files = place(test)
    const left = await orphan(test, files, 'p', polite)
    const own = files.partition('p')
    writeFact(own.process, `${left.pid} ${left.start}`)
    await until('the orphan to be ready', () => outputOf(own).includes('ready'))
    assert.deepEqual(await stop(files, 'p'), [['p']])
    assert.deepEqual(outputOf(own), ['ready', 'TERM'])
  })

  it('kills a process without a shepherd that does not stop', async test => {
    const files = place(test)
    const left = await orphan(test, files, 'p', stubborn)
    writeFact(files.partition('p').process, `${left.pid} ${left.start}`)
    assert.deepEqual(await stop(files, 'p'), [['p']])
  })

  it('does not wait for ever for a shepherd that is stopped', async test => {
    const files = place(test)
    const own = await running(files, 'p', stubborn)
    const shepherd = pidIn(own.shepherd)
    process.kill(shepherd, 'SIGSTOP')
    await until('it to be stopped', () => stateOf(shepherd) === 'T')
    assert.deepEqual(await stop(files, 'p'), [['p']])
    assert.ok(!lives(shepherd))
    assert.deepEqual(outputOf(own), ['ready', 'TERM'])
  })

  it('kills strays that only their mark tells of, and nobody else’s', async test => {
    const files = place(test)
    const stray = await orphan(test, files, 'p', stubborn)
    const other = await orphan(test, files, 'p2', stubborn)
    assert.deepEqual(await stop(files, 'p'), [['p']])
    assert.ok(!lives(stray.pid) && lives(other.pid))
  })

  it('does not touch a process that has the pid of one that is gone', async test => {
    const files = place(test)
    const other = await orphan(test, files, 'innocent', stubborn)
    const own = partitionIn(files, 'p')
    for (const fact of [own.shepherd, own.process]) writeFact(fact, `${other.pid} ${Number(other.start) - 1}`)
    assert.deepEqual(await stop(files, 'p'), [['p']])
    assert.ok(lives(other.pid))
    assert.ok(signal(other, 'SIGKILL'))
  })

  it('looks for strays of many at once, and lets no shepherd look for them too', async test => {
    const files = place(test)
    const names = Array.from({ length: 6 }, (_, n) => `p${n}`)
    await Promise.all(names.map(name => running(files, name, polite, 60_000)))
    await stop(files, ...names)
    for (const name of names) assert.equal(readFact(files.partition(name).status), 'stopped, not swept')
  })

  it('leaves nothing of a partition when its handler is killed before it looked for strays', async test => {
    const files = place(test)
    const own = await running(files, 'p', `(setsid sh -c '${stubborn}' &) ; ${polite}`)
    renameSync(own.acquisition, own.releasing)
    process.kill(pidIn(own.shepherd), 'SIGTERM')
    await until('the shepherd to be gone', () => !livesIn(own.shepherd))
    assert.equal(rootsByDirectory(files.partitions).get('p'), undefined)
    assert.equal(readFact(own.status), 'stopped: the acquisition is void')
  })

  it('takes work that lives outside for gone only when its own command says so', async test => {
    const files = place(test)
    const [own, other] = [await running(files, 'p', polite), await running(files, 'q', polite)]
    const outside = join(files.directory, 'outside')
    writeFileSync(outside, '')
    const probe = {
      command: ['sh', '-c', '! [ -e "$0" ]', outside],
      environment: { PATH: process.env.PATH ?? '' },
      cwd: '/',
    }
    const gone: string[] = []
    const stops = [{ ...stopOf(own, 'p'), probe }, stopOf(other, 'q')]
    const all = stopAll(stops, async some => void gone.push(...some.map(({ partition }) => partition)))
    await until('the one without a probe to be gone, and the process of the other', () => {
      return gone.includes('q') && !livesIn(own.process) && !livesIn(own.shepherd)
    })
    assert.deepEqual(gone, ['q'])
    rmSync(outside)
    await all
    assert.deepEqual(gone, ['q', 'p'])
  })

  it('fails while that command is not there, does not end, or says no', async test => {
    const environment = { PATH: process.env.PATH ?? '' }
    for (const command of [['/nowhere'], ['false'], ['sh', '-c', 'kill -KILL $$']])
      assert.equal(await saysGone({ command, environment, cwd: '/' }), false, command.join(' '))
    assert.equal(await saysGone({ command: ['true'], environment, cwd: '/' }), true)
    const files = place(test)
    const own = await running(files, 'p', polite)
    const stop = { ...stopOf(own, 'p'), probe: { command: ['false'], environment, cwd: '/' } }
    await assert.rejects(
      stopAll([stop], async () => assert.fail('it is not gone')),
      /cannot stop p: stop.gone does not say that it is gone; its lock is kept/,
    )
  })

  it('fails when what is told of those that are gone fails, and leaves their acquisitions void', async test => {
    const files = place(test)
    const own = await running(files, 'p', polite)
    const away = stopAll([stopOf(own, 'p')], () => Promise.reject(new Error('Consul is away')))
    await assert.rejects(away, /Consul is away/)
    assert.equal(readFact(own.acquisition), null)
    assert.equal(readFact(own.releasing), 'acquisition of p')
  })
})

describe('a start that races with a stop', () => {
  for (const known of [true, false]) {
    const who = known ? 'a shepherd that was just launched' : 'a shepherd that nobody wrote down'
    it(`starts nothing once the stop is over: ${who}`, async test => {
      const files = place(test)
      for (let n = 0; n < 12; n++) {
        const partition = `p${n}`
        const own = await launch(files, partition, polite)
        if (!known) rmSync(own.launched, { force: true })
        await delay(n * 4)
        // One that nobody wrote down may live a little longer, as long as it starts nothing.
        if (known) await stop(files, partition)
        else await stopAll([stopOf(own, partition)], async () => {})
        await until('every shepherd to be gone', () => {
          assert.equal(rootsByDirectory(files.partitions).get(partition), undefined, 'it was started after all')
          return !shepherdOf(own)
        })
      }
    })
  }
})

function shepherdOf({ directory }: PartitionFiles): boolean {
  return pids().some(pid => lives(pid) && commandLine(pid).includes(`\0${directory}\0`))
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended meanwhile
  }
}
