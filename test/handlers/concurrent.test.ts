/**
 * Many handlers of one instance at once, as after a reload or a burst of events: one acts, the others leave at once,
 * and what the last of them came for is done.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { keysOf } from '../../lib/base/names.ts'
import { base64 } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { overlaps, runs } from '../lab/beats.ts'
import { until } from '../lab/until.ts'
import { FaultyConsul } from './support/faulty-consul.ts'
import { checksInput, keyprefixInput, serviceInput } from './support/input.ts'
import { addInstance, handlerLab, type Instance } from './support/instance.ts'
import type { Ended } from './support/programs.ts'

/** Adds a partition, or removes it, as somebody does by hand. */
async function change(instance: Instance, verb: 'add' | 'remove', partition: string): Promise<void> {
  const keys = keysOf(instance.service)
  const set = (Key: string, text: string): Operation => ({ Verb: 'cas', Key, Index: 0, Value: base64(text) })
  const operations: Operation[] = [
    ...(verb === 'add'
      ? [set(keys.partition(partition), '{"from":"hand"}'), set(keys.lock(partition), '{"clean":true}')]
      : [{ Verb: 'delete' as const, Key: keys.partition(partition) }]),
    { Verb: 'set', Key: keys.revision, Value: base64(String(Math.random())) },
  ]
  await instance.agent.api(
    'PUT',
    '/v1/txn',
    operations.map(operation => ({ KV: operation })),
  )
}

const inputs = { 'on-service': serviceInput, 'on-keyprefix': keyprefixInput, 'on-checks': checksInput }

async function handle(instance: Instance, n: number): Promise<Ended> {
  const [program, stdin] =
    n % 2 === 0 ? ['on-service', await serviceInput(instance)] : ['on-keyprefix', keyprefixInput(instance)]
  return instance.run(program, { stdin })
}

function assertDone(ended: readonly Ended[]): void {
  for (const { code, stderr } of ended) assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}

function left(ended: readonly Ended[]): Ended[] {
  return ended.filter(({ stdout }) => stdout.includes('another handler is already running'))
}

/** Shepherds take a moment to start what a handler has left to them; no handler runs any more. */
async function runsExactly(instance: Instance, partitions: readonly string[]): Promise<void> {
  await until(`${partitions} to run, each once`, see => {
    const running = see([...instance.running()])
    return (
      running.every(([, pids]) => pids.length === 1) && String(running.map(([id]) => id).sort()) === String(partitions)
    )
  })
  assert.deepEqual(await instance.holds(), partitions)
}

/** Whoever talks to Consul acts: the times at which each connection did so, in order. */
function acting({ passed }: FaultyConsul): { from: number; to: number }[] {
  const connections = Map.groupBy(passed, ({ connection }) => connection).values()
  return Array.from(connections, requests => ({
    from: Math.min(...requests.map(({ from }) => from)),
    to: Math.max(...requests.map(({ to }) => to)),
  })).sort((a, b) => a.from - b.from)
}

/** What a service watch brings of an instance that is passing, on another node. */
function healthy(node: string, { service }: Instance) {
  const check = (CheckID: string) => ({ Node: node, CheckID, Status: 'passing' })
  return { Node: { Node: node }, Service: { ID: service }, Checks: [check('serfHealth'), check(`${service}-guard`)] }
}

describe('a handler that need not act', { concurrency: 1 }, () => {
  const cluster = handlerLab({ clients: ['a'] })

  it('leaves at once for a healthy instance that only came, and not for one that goes, fails or takes part', async test => {
    const instance = await addInstance(cluster().agent('a'), { service: 'quick' })
    assertDone([await handle(instance, 1)])
    const consul = await FaultyConsul.start(instance.agent.http)
    test.after(() => consul.close())
    instance.http = consul.http
    const own = await instance.agent.api<unknown[]>('GET', '/v1/health/service/quick')
    const acts = async (...others: ReturnType<typeof healthy>[]) => {
      const before = consul.passed.length
      assertDone([await instance.run('on-service', { stdin: JSON.stringify([...own, ...others]) })])
      return consul.passed.length > before
    }
    const [b, c] = [healthy('b', instance), healthy('c', instance)]
    const results = [await acts(), await acts(b), await acts(b, c), await acts(b), await acts(b, { ...c, Checks: [] })]
    assert.deepEqual(results, [true, false, false, true, true])
    writeFact(instance.files.members, `${instance.name}\nd:quick`)
    assert.equal(await acts(b, { ...c, Checks: [] }, healthy('d', instance)), true)
  })
})

describe('many handlers of one instance', { concurrency: 1 }, () => {
  const cluster = handlerLab({ clients: ['a'] })

  it('act one at a time, and the last event is not lost', async test => {
    const instance = await addInstance(cluster().agent('a'), { service: 'burst' })
    assertDone([await handle(instance, 1)])
    const consul = await FaultyConsul.start(instance.agent.http)
    test.after(() => consul.close())
    instance.http = consul.http
    consul.hold = () => delay(20)
    const first = Array.from({ length: 49 }, (_, n) => handle(instance, n))
    await until('one to act', () => consul.passed.length > 0, { deadline: 60_000 })
    await change(instance, 'add', '9')
    const ended = await Promise.all([...first, handle(instance, 49)])
    assertDone(ended)
    await runsExactly(instance, ['0', '1', '2', '9'])
    assert.ok(left(ended).length > 0, 'all of them acted')
    const spans = acting(consul)
    for (const [n, span] of spans.entries()) {
      const before = spans[n - 1]
      assert.ok(!before || before.to <= span.from, `two acted at once: ${JSON.stringify(spans)}`)
    }
    const beats = await instance.beats()
    assert.deepEqual(overlaps(beats), [])
    assert.equal(runs(beats).length, 4, 'a process was started more than once')
  })

  for (const program of ['on-service', 'on-keyprefix', 'on-checks']) {
    it(`leave word with the one that acts: ${program}`, async test => {
      const instance = await addInstance(cluster().agent('a'), { service: `word-${program}` })
      assertDone([await handle(instance, 1)])
      const consul = await FaultyConsul.start(instance.agent.http)
      test.after(() => consul.close())
      instance.http = consul.http
      // The acting one has read everything but its last answer, when the set changes and the other one comes.
      const gate = Promise.withResolvers<void>()
      consul.hold = async ({ path }) => path.startsWith('/v1/health/') && gate.promise
      const acting = handle(instance, 1)
      await until('one to act', () => consul.passed.some(({ path }) => path.startsWith('/v1/health/')))
      await change(instance, 'add', '9')
      const stdin = await inputs[program as keyof typeof inputs](instance)
      const other = await instance.run(program, { stdin })
      assertDone([other])
      assert.equal(left([other]).length, 1, 'it did not leave')
      gate.resolve()
      assertDone([await acting])
      await runsExactly(instance, ['0', '1', '2', '9'])
    })
  }

  it('do what the last of them came for, whenever it came', async () => {
    const instance = await addInstance(cluster().agent('a'), { service: 'late' })
    assertDone([await handle(instance, 1)])
    for (let round = 0; round < 16; round++) {
      await instance.keepSession()
      const early = [handle(instance, 0), handle(instance, 1)]
      // The first ones are anywhere between their start and their end by now.
      await delay(round * 25)
      await change(instance, round % 2 === 0 ? 'add' : 'remove', '9')
      const ended = await Promise.all([...early, handle(instance, round)])
      assertDone(ended)
      await runsExactly(instance, round % 2 === 0 ? ['0', '1', '2', '9'] : ['0', '1', '2'])
    }
    const beats = await instance.beats()
    assert.deepEqual(overlaps(beats), [])
    for (const partition of ['0', '1', '2']) {
      assert.equal(runs(beats).filter(run => run.partition === partition).length, 1, `${partition} was started again`)
    }
  })
})
