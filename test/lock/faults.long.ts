import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { lockKeysOf } from '../../lib/base/names.ts'
import { FaultyConsul } from '../handlers/support/faulty-consul.ts'
import { lives, parentOf, pids, variable } from '../handlers/support/processes.ts'
import type { Agent } from '../lab/agent.ts'
import { overlaps } from '../lab/beats.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { Beats, keysOfLock, Locker, sessionOf, sessions, worker } from './locker.ts'

const cluster = sharedCluster({ clients: 2 })
const [a1, a2] = ['a1', 'a2'].map(name => () => cluster().agent(name)) as [() => Agent, () => Agent]

/** The shortest lease, so that a takeover comes after 8 s. */
const terms = ['--lease', '6s', '--grace', '1s']

interface Scene {
  readonly name: string
  readonly beats: Beats
  readonly holder: Locker
  /** The worker of the holder. */
  readonly first: number
  readonly waiter: Locker
}

/** A worker under a lock on the first agent, and another that waits on the second. */
async function scene(name: string, http = a1().http, command: (beats: Beats) => string[] = work): Promise<Scene> {
  const beats = new Beats(cluster().agent('s1'), name)
  const holder = new Locker(a1(), [name, ...terms, '--', ...command(beats)], { http })
  await beats.count(1)
  const waiter = new Locker(a2(), [name, ...terms, '--verbose', '--', ...work(beats)])
  await waiter.said('waiting')
  return { name, beats, holder, first: (await beats.workers())[0] as number, waiter }
}

function work(beats: Beats): string[] {
  return ['sh', worker, beats.file]
}

/** The waiter's worker beats, and never while another did. */
async function takenOver({ beats, waiter }: Scene): Promise<void> {
  await beats.count(2)
  await beats.goOn()
  waiter.kill('SIGTERM')
  await waiter.ended
  assert.deepEqual(overlaps(await beats.read()), [])
}

/** The holder's worker goes on, under a lock that says so. */
async function goesOn({ name, beats, holder, first, waiter }: Scene): Promise<void> {
  await until('the lock to be held as before', async see => {
    const slot = see((await keysOfLock(a1(), name)).get('slot/0'))
    return slot?.session && slot.value.includes(`:${holder.pid}"`)
  })
  await beats.goOn()
  assert.deepEqual(await beats.workers(), [first])
  waiter.kill('SIGTERM')
  holder.kill('SIGTERM')
  await Promise.all([holder.ended, waiter.ended])
  assert.equal(JSON.parse((await keysOfLock(a1(), name)).get('slot/0')?.value ?? '').clean, true)
  assert.equal(await sessions(a1(), name), 0)
}

function shepherdOf({ holder }: Scene): number {
  return pids().find(pid => parentOf(pid) === holder.pid && variable(pid, 'WATCHBILL_LOCK') === null) as number
}

describe('never two', { concurrency: 5 }, () => {
  it('when lock is killed with -9: the command ends with it', async () => {
    const stage = await scene('killed')
    stage.holder.kill('SIGKILL')
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 1000 })
    await takenOver(stage)
  })

  it('when lock is killed with -9 and the command’s child has left its group: that ends too', async () => {
    const command = (beats: Beats) => ['sh', '-c', 'setsid sh "$0" "$1" & wait', worker, beats.file]
    const stage = await scene('grandchild', a1().http, command)
    stage.holder.kill('SIGKILL')
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 3000 })
    await takenOver(stage)
  })

  it('when lock is stopped: the command ends when the lease does', async () => {
    const stage = await scene('stopped')
    const stopped = bootClock()
    stage.holder.kill('SIGSTOP')
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 9000 })
    assert.ok(bootClock() - stopped < 6000 + 1000 + 500)
    await takenOver(stage)
    stage.holder.kill('SIGCONT')
    const { code, stderr } = await stage.holder.ended
    assert.equal(code, 111)
    assert.match(stderr, /lock: temporary: cannot finish stopped: the lease is over.*; the command was stopped\n$/)
  })

  it('when lock and its shepherd are stopped, and go on after all is over', async () => {
    const stage = await scene('frozen')
    const frozen = [stage.holder.pid, shepherdOf(stage), stage.first]
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    await stage.beats.count(2)
    const thawed = bootClock()
    for (const pid of frozen) process.kill(pid, 'SIGCONT')
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 3000 })
    stage.waiter.kill('SIGTERM')
    assert.equal((await stage.holder.ended).code, 111)
    // SIGKILL at once: no last beat.
    const after = (await stage.beats.read()).filter(({ pid, at }) => pid === stage.first && at >= thawed)
    assert.ok(after.length <= 4 && !after.some(({ stop }) => stop), JSON.stringify(after))
  })

  it('when its shepherd is killed with -9, and again: it has another', async () => {
    const stage = await scene('shepherd')
    for (const _ of [1, 2]) {
      const shepherd = shepherdOf(stage)
      process.kill(shepherd, 'SIGKILL')
      await until('another shepherd', () => ![undefined, shepherd].includes(shepherdOf(stage)))
    }
    stage.holder.kill('SIGKILL')
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 1000 })
    await takenOver(stage)
  })

  it('when its shepherd is stopped and Consul is gone: lock sees to it', async () => {
    const proxy = await FaultyConsul.start(a1().http)
    const stage = await scene('held-up', proxy.http)
    process.kill(shepherdOf(stage), 'SIGSTOP')
    proxy.fault = () => 'never answers'
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 9000 })
    await takenOver(stage)
    proxy.close()
  })

  it('when Consul does not answer the holder: lost, it says why', async () => {
    const proxy = await FaultyConsul.start(a1().http)
    const stage = await scene('cut-off', proxy.http, beats => [
      'sh',
      '-c',
      'trap "" TERM; sh "$0" "$1"',
      worker,
      beats.file,
    ])
    proxy.fault = () => 'never answers'
    const { code, stderr } = await stage.holder.ended
    assert.equal(code, 111)
    assert.match(
      stderr,
      /cannot finish cut-off: the lease is over: cannot reach Consul at \S+: no answer within 1500 ms/,
    )
    assert.ok(!lives(stage.first))
    await takenOver(stage)
    proxy.close()
  })

  it('when its session is destroyed: it takes the lock back, and the command goes on', async () => {
    const stage = await scene('session')
    await a2().api('PUT', `/v1/session/destroy/${await sessionOf(a1(), stage.name)}`)
    await goesOn(stage)
  })

  it('when its key is deleted: it takes the lock back, and the command goes on', async () => {
    const stage = await scene('deleted')
    await a2().api('DELETE', `/v1/kv/${lockKeysOf(stage.name).slot(0)}`)
    await goesOn(stage)
  })

  it('when all its keys are deleted: whoever finds none looks who has a session', async () => {
    const stage = await scene('wiped')
    await a2().api('DELETE', `/v1/kv/${lockKeysOf(stage.name).root}?recurse`)
    await goesOn(stage)
  })

  it('when its value is overwritten: it is written again', async () => {
    const stage = await scene('overwritten')
    await a2().api('PUT', `/v1/kv/${lockKeysOf(stage.name).slot(0)}`, '{"clean":true}')
    await goesOn(stage)
  })

  it('when another has the lock all the same: the command is stopped', async () => {
    const stage = await scene('robbed')
    const key = lockKeysOf(stage.name).slot(0)
    await a2().api('PUT', `/v1/session/destroy/${await sessionOf(a1(), stage.name)}`)
    const { ID } = await a2().api<{ ID: string }>('PUT', '/v1/session/create', {})
    assert.equal(await a2().api('PUT', `/v1/kv/${key}?acquire=${ID}`, 'mine'), true)
    const { code, stderr } = await stage.holder.ended
    assert.equal(code, 111)
    assert.match(stderr, /cannot finish robbed: the lock is lost: another holds it; the command was stopped\n$/)
    assert.ok(!lives(stage.first))
    stage.waiter.kill('SIGTERM')
  })

  it('when the answer to the transaction that takes it is lost', async () => {
    const proxy = await FaultyConsul.start(a1().http)
    const beats = new Beats(a1(), 'unknown')
    let lost = false
    proxy.fault = ({ path }) => {
      const fault = !lost && path.startsWith('/v1/txn') ? 'hangs up' : null
      lost ||= fault !== null
      return fault
    }
    const holder = new Locker(a1(), ['unknown', ...terms, '--', ...work(beats)], { http: proxy.http })
    await beats.count(1)
    assert.match(holder.stderr, /^lock: unknown: cannot reach Consul at .*\n$/)
    assert.equal(await sessions(a1(), 'unknown'), 1)
    holder.kill('SIGTERM')
    assert.equal((await holder.ended).code, 0)
    proxy.close()
  })
})

describe('Consul that is away for a moment', { concurrency: 1 }, () => {
  it('is no error, for who holds and who waits', async () => {
    const stage = await scene('restart')
    for (const agent of [a1(), a2(), cluster().agent('s1')]) {
      await agent.stop('SIGKILL')
      await agent.start()
    }
    await goesOn(stage)
  })

  it('is waited for at the start, too', async () => {
    await a2().stop('SIGTERM')
    const locker = new Locker(a2(), ['early', '--', 'echo', 'ran'])
    await locker.said('cannot reach Consul')
    await a2().start()
    assert.deepEqual([(await locker.ended).code, locker.stdout], [0, 'ran\n'])
  })

  it('is an error for who does not wait', async () => {
    const { code, stderr } = await new Locker(a1(), ['no', '--no-wait', '--', 'true'], { http: 'http://127.0.0.1:1' })
      .ended
    assert.equal(code, 111)
    assert.match(
      stderr,
      /^lock: temporary: cannot reach Consul at http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*; is it up\? start it, or name another agent with --http-addr\n$/,
    )
  })

  it('a stopped agent costs the lock when the lease is over, and no earlier', async () => {
    const stage = await scene('agent')
    const stopped = bootClock()
    process.kill(a1().pid as number, 'SIGSTOP')
    await until('the worker to be gone', () => !lives(stage.first), { deadline: 9000 })
    const gone = bootClock() - stopped
    assert.ok(gone > 3500 && gone < 7500, `gone after ${gone} ms`)
    await takenOver(stage)
    process.kill(a1().pid as number, 'SIGCONT')
    assert.equal((await stage.holder.ended).code, 111)
  })
})
