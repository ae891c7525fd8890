import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../lib/base/clock.ts'
import { Consul } from '../lib/consul/http.ts'
import { healthIndex } from '../lib/consul/instances.ts'
import type { Source } from '../lib/definition/definition.ts'
import { guard, type Tick } from '../lib/guard/guard.ts'
import { changeLine, keysIndex, writeRest } from '../lib/look/unchanged.ts'
import { isAlive, isStopped, type Process, processOf } from '../lib/machine/identity.ts'
import { enterState } from '../lib/state/boot.ts'
import { stampOf } from '../lib/state/definition.ts'
import { readFact, writeFact } from '../lib/state/facts.ts'
import { extendLease, writeLease } from '../lib/state/lease.ts'
import { localFacts } from '../lib/state/local.ts'
import type { PartitionFiles } from '../lib/state/partition-paths.ts'
import type { InstanceFiles } from '../lib/state/paths.ts'
import { definition, me, sessionOf, snapshotOf } from './fixtures/cluster.ts'
import { type FakeConsul, fakeConsul, type Reply, type Request } from './fixtures/consul.ts'
import { partitionIn, stateOf } from './fixtures/state.ts'
import { until } from './lab/until.ts'
import type { ConsulModel } from './model/consul.ts'
import { behaviours } from './model/versions.ts'

const { keys } = snapshotOf()
const interval = 2000

/** An instance with one process, whose shepherd is dead, and whose lock was last proved `ago` ms ago. */
async function unwatched(
  t: TestContext,
  ago: number,
  held: boolean,
  meanwhile: (partition: PartitionFiles) => Reply | undefined | Promise<Reply> = () => undefined,
  before: (partition: PartitionFiles, instance: InstanceFiles) => void = () => {},
) {
  const fake = await fakeConsul(t)
  const { consul, memory } = fake
  const files = stateOf(t)
  enterState(files, me, 'svc')
  const partition = partitionIn(files, '0')
  const child = spawn('sleep', ['60'], { env: { WATCHBILL_DIR: partition.directory }, detached: true, stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const process = await until('the process to start', () => processOf(child.pid as number))
  const session = memory.session(sessionOf(me), 'a')
  const index = memory.lock(keys.lock('0'), held ? session : memory.session('of another', 'b'), '{}')
  const proof = bootClock() - ago
  extendLease(files, proof, bootClock())
  writeLease(partition, { from: proof, own: proof })
  const facts = {
    acquisition: 'x',
    index,
    token: index,
    terms: '10000 3000',
    process: `${process.pid} ${process.start}`,
  }
  for (const [name, value] of Object.entries(facts)) writeFact(partition[name as 'index'], String(value))
  writeFact(files.session, session)
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  globalThis.process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
  t.after(() => {
    delete globalThis.process.env.CONSUL_HTTP_ADDR
  })
  fake.script = () => meanwhile(partition)
  before(partition, files)
  await guard(here, interval)
  return process
}

function gone(process: Process): Promise<true> {
  return until('the process to end', () => !isAlive(process))
}

/** In how many ms a program starts after a tick; null for not at all. */
function inMs({ starts }: Tick, program: 'reconcile' | 'sync'): number | null {
  const [, after] = starts.get(program) ?? []
  return after === undefined ? null : Number(after)
}

describe('the guard, of a process whose shepherd counts on a clock', () => {
  const { pid, start } = processOf(process.pid) as Process

  /** The shepherd lives, and has no timer. @param tick what the clock has promised, from now on, ms */
  function counting(clock: Process, tick: number) {
    return ({ shepherd }: PartitionFiles, files: InstanceFiles) => {
      writeFact(shepherd, `${pid} ${start}`)
      mkdirSync(files.clock.directory)
      writeFact(files.clock.promise, `${clock.pid} ${clock.start} ${bootClock() + tick} 10000`)
    }
  }

  async function runningClock(t: TestContext): Promise<Process> {
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    return until('a clock', () => processOf(child.pid as number))
  }

  async function stoppedClock(t: TestContext): Promise<Process> {
    const clock = await runningClock(t)
    process.kill(clock.pid, 'SIGSTOP')
    await until('it to be stopped', () => isStopped(clock))
    return clock
  }

  it('kills it before lease + G when the clock is stopped, and ends the clock', async t => {
    const clock = await stoppedClock(t)
    await gone(await unwatched(t, 10_500, false, undefined, counting(clock, 5000)))
    await gone(clock)
  })

  it('ends a stopped clock, so that each shepherd has a timer, while there is time', async t => {
    const clock = await stoppedClock(t)
    const worker = await unwatched(t, 1000, true, undefined, counting(clock, 5000))
    await gone(clock)
    assert.ok(isAlive(worker))
  })

  it('kills it before lease + G when the clock is late', async t => {
    await gone(await unwatched(t, 10_500, false, undefined, counting({ pid, start }, -700)))
  })

  it('kills it before lease + G when nobody can read what the clock has promised', async t => {
    const unreadable = ({ shepherd }: PartitionFiles, { clock }: InstanceFiles) => {
      writeFact(shepherd, `${pid} ${start}`)
      mkdirSync(clock.promise, { recursive: true })
    }
    await gone(await unwatched(t, 10_500, false, undefined, unreadable))
  })

  it('ends a clock before a lease ends that is not renewed, whatever its state', async t => {
    const clock = await runningClock(t)
    const worker = await unwatched(t, 8000, false, undefined, counting(clock, 1900))
    await gone(clock)
    assert.ok(isAlive(worker))
  })

  it('leaves a clock alone while there is time', async t => {
    const clock = await runningClock(t)
    await unwatched(t, 1000, false, undefined, (partition, files) => {
      counting(clock, 8900)(partition, files)
      for (const fact of [files.clock.home, files.groups]) writeFact(fact, 'in a scope')
    })
    assert.ok(isAlive(clock))
  })

  it('ends a clock that is not in the control group where shepherds are started by now', async t => {
    const clock = await runningClock(t)
    const worker = await unwatched(t, 1000, true, undefined, (partition, files) => {
      counting(clock, 8900)(partition, files)
      writeFact(files.clock.home, 'in the unit')
      writeFact(files.groups, 'in a scope')
    })
    await gone(clock)
    assert.ok(isAlive(worker))
  })

  it('ends a clock that hangs', async t => {
    const clock = await runningClock(t)
    await unwatched(t, 1000, true, undefined, counting(clock, -3000))
    await gone(clock)
  })

  it('says that it looks after a clock, as a guard that knows of none cannot', async t => {
    const clock = await runningClock(t)
    let files: InstanceFiles | undefined
    await unwatched(t, 1000, true, undefined, (partition, instance) => {
      files = instance
      counting(clock, 8900)(partition, instance)
    })
    assert.ok(bootClock() - Number(readFact(files?.clock.tended ?? '')) < 5000)
  })

  it('leaves it to its shepherd when the clock is not', async t => {
    const kill = t.mock.method(process, 'kill')
    await unwatched(t, 10_500, false, undefined, counting({ pid, start }, 500))
    assert.equal(kill.mock.callCount(), 0)
  })
})

describe('the guard, of a process that no shepherd looks after', () => {
  it('kills it before lease + G when its lock is lost, although Consul answers', async t => {
    await gone(await unwatched(t, 10_500, false))
  })

  it('leaves it to a handler while there is time', async t => {
    const kill = t.mock.method(process, 'kill')
    await unwatched(t, 1000, false)
    assert.equal(kill.mock.callCount(), 0)
  })

  it('leaves alone what a handler has started since the tick began', async t => {
    const { pid, start } = processOf(process.pid) as Process
    const claimed = (partition: PartitionFiles) => {
      writeFact(partition.shepherd, `${pid} ${start}`)
      writeLease(partition, { from: bootClock(), own: bootClock() })
      return undefined
    }
    const kill = t.mock.method(process, 'kill')
    await unwatched(t, 10_500, false, claimed)
    assert.equal(kill.mock.callCount(), 0)
  })

  it('kills it when its shepherd dies while the tick waits for Consul, which does not answer', async t => {
    const shepherd = spawn('sleep', ['60'], { stdio: 'ignore' })
    t.after(() => shepherd.kill('SIGKILL'))
    const known = await until('the shepherd to start', () => processOf(shepherd.pid as number))
    const dies = async () => {
      shepherd.kill('SIGKILL')
      await gone(known)
      return { status: 500, text: 'no leader' }
    }
    const before = ({ shepherd }: PartitionFiles) => writeFact(shepherd, `${known.pid} ${known.start}`)
    await gone(await unwatched(t, 10_500, true, dies, before))
  })

  it('leaves it alone while its lock is held', async t => {
    const kill = t.mock.method(process, 'kill')
    await unwatched(t, 10_500, true)
    assert.equal(kill.mock.callCount(), 0)
  })
})

describe('the guard, of a set that is fetched', () => {
  const source = { everyMs: 70_000, retryMs: 2000, timeoutMs: 10_000 } as Source
  const soon = () => bootClock() + 60_000
  const cases: [what: string, after: number | null, Source | null, due: () => string | null, member?: false][] = [
    ['has it fetched when that never was', 0, source, () => null],
    ['has it fetched when it is time', 0, source, () => `${bootClock() - 1} 3 /file 7`],
    ['leaves it until then', null, source, () => `${soon()} 3 /file 7`],
    [
      'has it fetched when that lies further ahead than it is ever put off',
      0,
      source,
      () => `${soon() + 100_000} 3 /file 7`,
    ],
    ['has it fetched when the definition is another one', 0, source, () => `${soon()} 3 /file 8`],
    ['does nothing where it stands in the definition', null, null, () => null],
    ['does nothing before it takes part', null, source, () => null, false],
  ]
  for (const [what, after, source, due, member] of cases) {
    it(what, async t => {
      const { consul, memory } = await fakeConsul(t)
      const files = stateOf(t)
      enterState(files, me, 'svc')
      const accepted = { file: '/file', definition: { ...definition, source }, digest: 'x', stamp: '3 /file 7 ' }
      writeFact(files.definition, JSON.stringify(accepted))
      const at = due()
      if (at !== null) writeFact(files.sourceDue, at)
      if (member !== false) memory.lock(keys.member(me), memory.session(sessionOf(me), 'a'), '{}')
      writeFact(files.session, sessionOf(me))
      process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
      t.after(() => {
        delete process.env.CONSUL_HTTP_ADDR
      })
      const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/file', files }
      assert.equal(inMs(await guard(here, interval), 'sync'), after)
    })
  }
})

describe('the guard, where the clock began anew', () => {
  /** An instance with nothing to do but what these facts say, which were written ahead of the clock. */
  async function ticked(t: TestContext, facts: (files: InstanceFiles, ahead: number, memory: ConsulModel) => void) {
    const { consul, memory } = await fakeConsul(t)
    const files = stateOf(t)
    enterState(files, me, 'svc')
    const definitionFile = `${files.directory}/svc.json`
    writeFact(definitionFile, '{}')
    writeFact(
      files.definition,
      JSON.stringify({ file: definitionFile, definition, digest: 'x', stamp: stampOf(definitionFile) }),
    )
    memory.lock(keys.member(me), memory.session(sessionOf(me), 'a'), '{}')
    writeFact(files.session, sessionOf(me))
    writeFact(files.looked, `${bootId()} ${bootClock()}`)
    facts(files, bootClock() + 3_600_000, memory)
    process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
    t.after(() => {
      delete process.env.CONSUL_HTTP_ADDR
    })
    return guard({ instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile, files }, interval)
  }

  it('does nothing when no fact lies ahead', async t => {
    const { starts } = await ticked(t, () => {})
    assert.deepEqual([...starts], [])
  })

  it('has all locks looked at when the last look lies ahead', async t => {
    const looked = (files: InstanceFiles, ahead: number) => writeFact(files.looked, `${bootId()} ${ahead}`)
    assert.equal(inMs(await ticked(t, looked), 'reconcile'), 0)
  })

  it('has a partition looked after whose lease lies ahead', async t => {
    const tick = await ticked(t, (files, ahead, memory) => {
      const partition = partitionIn(files, '0')
      writeFact(partition.acquisition, 'x')
      writeFact(partition.index, String(memory.lock(keys.lock('0'), sessionOf(me))))
      writeFact(partition.status, 'finished: exit 0')
      writeLease(partition, { from: ahead, own: ahead })
    })
    assert.deepEqual([tick.sentence, inMs(tick, 'reconcile')], ['1 locks held', 0])
  })

  it('attends when a drain that a check asked for began ahead of it', async t => {
    const drained = (files: InstanceFiles, ahead: number) =>
      writeFact(files.drained, `${bootId()} ${ahead + 60_000} ${ahead} why`)
    assert.equal((await ticked(t, drained)).starts.has('attend'), true)
    const now = (files: InstanceFiles) =>
      writeFact(files.drained, `${bootId()} ${bootClock() + 3_600_000} ${bootClock()} why`)
    assert.equal((await ticked(t, now)).starts.has('attend'), false)
  })

  it('attends to nothing when nothing waits', async t => {
    assert.equal((await ticked(t, files => writeFact(files.eventsDue, 'none'))).starts.has('attend'), false)
  })

  for (const due of ['checksDue', 'eventsDue'] as const) {
    it(`attends when ${due} lies further ahead than it is ever put off`, async t => {
      assert.equal((await ticked(t, (files, ahead) => writeFact(files[due], String(ahead)))).starts.has('attend'), true)
      assert.equal(
        (await ticked(t, files => writeFact(files[due], String(bootClock() + 8000)))).starts.has('attend'),
        false,
      )
    })
  }
})

describe('a guard whose last look is old', () => {
  /** @param rest what is made of the record of the last look, which found nothing to do; @param age of that look, ms */
  async function ticked(
    t: TestContext,
    change: (memory: ConsulModel, files: InstanceFiles, fake: FakeConsul) => void,
    age = 15_000,
  ) {
    const fake = await fakeConsul(t)
    const { consul, memory } = fake
    const files = stateOf(t)
    enterState(files, me, 'svc')
    const definitionFile = `${files.directory}/svc.json`
    writeFact(definitionFile, '{}')
    const stamp = stampOf(definitionFile)
    writeFact(files.definition, JSON.stringify({ file: definitionFile, definition, digest: 'x', stamp }))
    memory.lock(keys.member(me), memory.session(sessionOf(me), 'a'), '{}')
    const services = new Map([['svc', { name: 'svc', status: 'passing' as const }]])
    memory.nodes.set('a', { serfHealth: 'passing', services })
    writeFact(files.session, sessionOf(me))
    const looked = bootClock() - age
    writeFact(files.looked, `${bootId()} ${bootClock() - 15_000}`)
    process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
    t.after(() => {
      delete process.env.CONSUL_HTTP_ADDR
    })
    const same = new Consul()
    t.after(() => same.close())
    const line = changeLine(
      same,
      String(await keysIndex(same, 'svc')),
      String(await healthIndex(same, 'svc', { node: 'a', serviceId: 'svc' })),
    )
    writeRest(files, { line, looked, local: localFacts(files, null, looked) })
    change(memory, files, fake)
    const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile, files }
    return { ...(await guard(here, interval)), files }
  }

  it('starts no other while nothing has changed, and asks again only later', async t => {
    const { starts, files } = await ticked(t, () => {})
    assert.equal(starts.has('reconcile'), false)
    assert.ok(bootClock() - Number(readFact(files.looked)?.split(' ')[1]) < 5000)
  })

  const changes: Record<string, (memory: ConsulModel, files: InstanceFiles) => void> = {
    'a lock': memory => memory.put(keys.lock('0'), 'x'),
    'a partition': memory => memory.put(keys.partition('0'), 'x'),
    'a member': memory => memory.put(keys.member('b:svc'), '{}'),
    'the last look, which is missing': (_, files) => rmSync(files.rest),
    'the last look, which is garbled': (_, files) => writeFact(files.rest, 'garbled'),
    'the last look, of another boot': (_, files) =>
      writeFact(files.rest, (readFact(files.rest) as string).replace(/^\S+/, 'another')),
    'its own registration': memory => memory.nodes.clear(),
    'a permission': memory => {
      memory.denied = key => key.startsWith(keys.partitions)
    },
    'what is here': (_, files) => writeFact(partitionIn(files, '0').status, 'failed'),
  }
  for (const [what, change] of Object.entries(changes)) {
    it(`starts another after a change of ${what}`, async t => {
      assert.equal(inMs(await ticked(t, change), 'reconcile'), 0)
    })
  }

  it('starts another after five minutes, whatever the indexes say', async t => {
    assert.equal(inMs(await ticked(t, () => {}, 299_999), 'reconcile'), 0)
  })

  describe('in a cluster of 300', () => {
    /** The guard has seen that all of them take part. */
    const many = (memory: ConsulModel, files: InstanceFiles) => {
      writeFact(files.members, Array.from({ length: 300 }, (_, n) => `n${n}:svc`).join('\n'))
      writeFact(files.memberIndex, String(memory.indexBelow(keys.members.slice(0, -1))))
    }
    const isQuestion = ({ path }: Request) => path.includes('separator=/&consistent')

    it('asks Consul for no index yet', async t => {
      let requests: readonly Request[] = []
      const tick = await ticked(t, (memory, files, fake) => {
        many(memory, files)
        fake.requests.length = 0
        requests = fake.requests
      })
      assert.deepEqual([inMs(tick, 'reconcile'), requests.filter(isQuestion)], [null, []])
    })

    it('starts another after a change of what is here all the same', async t => {
      const tick = await ticked(t, (memory, files) => {
        many(memory, files)
        writeFact(partitionIn(files, '0').status, 'failed')
      })
      assert.equal(inMs(tick, 'reconcile'), 0)
    })
  })

  it('no longer trusts it once Consul has not answered', async t => {
    const { files } = await ticked(t, (_memory, _files, fake) => {
      fake.script = () => ({ status: 500, text: 'no leader' })
    })
    assert.equal(existsSync(files.rest), false)
  })
})

it('on a node that was renamed the tick says so, and what to do', async t => {
  const { consul, memory } = await fakeConsul(t)
  const files = stateOf(t)
  enterState(files, me, 'svc')
  writeFact(files.session, memory.session(sessionOf(me), 'ax'))
  process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
  t.after(() => {
    delete process.env.CONSUL_HTTP_ADDR
  })
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  const { sentence } = await guard(here, interval)
  assert.equal(sentence, 'configured for a, this is ax; run configure; 0 locks held')
})

it('a guard whose agent refuses the key of one lock says so, and keeps the rest', async t => {
  const { consul, memory } = await fakeConsul(t)
  memory.behaves = behaviours['1.22.5']
  const files = stateOf(t)
  enterState(files, me, 'svc')
  const session = memory.session(sessionOf(me), 'a', 'watchbill a:svc')
  writeFact(files.session, session)
  memory.lock(keys.member(me), session)
  for (const id of ['0', '1', 'x y']) {
    const partition = partitionIn(files, id)
    writeFact(partition.acquisition, 'x')
    writeFact(partition.index, String(memory.lock(keys.lock(id), session, '{}')))
  }
  process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
  t.after(() => {
    delete process.env.CONSUL_HTTP_ADDR
  })
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  const { code, sentence } = await guard(here, interval)
  assert.deepEqual([code, sentence], [0, '2 locks held, 1 lost: the agent refuses the key of x y; see status'])
})
