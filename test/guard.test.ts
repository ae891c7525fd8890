import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../lib/clock.ts'
import type { Source } from '../lib/definition/definition.ts'
import { guard } from '../lib/guard.ts'
import { extendLease, writeLease } from '../lib/lease/lease.ts'
import { isAlive, type Process, processOf } from '../lib/process/identity.ts'
import { writeFact } from '../lib/state/facts.ts'
import { enterState, type PartitionFiles } from '../lib/state/instance.ts'
import { definition, me, sessionOf, snapshotOf } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { partitionIn, stateOf } from './fixtures/state.ts'
import { until } from './lab/until.ts'

const { keys } = snapshotOf()
const interval = 2000

/** An instance with one process, whose shepherd is dead, and whose lock was last proved `ago` ms ago. */
async function unwatched(t: TestContext, ago: number, held: boolean, meanwhile = (_: PartitionFiles) => {}) {
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
  fake.script = () => {
    meanwhile(partition)
    return undefined
  }
  await guard(here, interval)
  return process
}

function gone(process: Process): Promise<true> {
  return until('the process to end', () => !isAlive(process))
}

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
    }
    const kill = t.mock.method(process, 'kill')
    await unwatched(t, 10_500, false, claimed)
    assert.equal(kill.mock.callCount(), 0)
  })

  it('leaves it alone while its lock is held', async t => {
    const kill = t.mock.method(process, 'kill')
    await unwatched(t, 10_500, true)
    assert.equal(kill.mock.callCount(), 0)
  })
})

describe('the guard, of a set that is fetched', () => {
  const source = {} as Source // only whether there is one
  const soon = () => bootClock() + 60_000
  const cases: [what: string, after: number | null, Source | null, due: () => string | null, member?: false][] = [
    ['has it fetched when that never was', 0, source, () => null],
    ['has it fetched when it is time', 0, source, () => `${bootClock() - 1} 3 /file 7`],
    ['leaves it until then', null, source, () => `${soon()} 3 /file 7`],
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
      assert.equal((await guard(here, interval)).syncAfter, after)
    })
  }
})
