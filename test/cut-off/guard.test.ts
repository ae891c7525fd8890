import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { guard } from '../../lib/guard/guard.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { isAlive, processOf } from '../../lib/machine/identity.ts'
import { enterState } from '../../lib/state/boot.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { keptOf } from '../../lib/state/kept.ts'
import { extendLease, never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { heldBy, me, other, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const { keys } = snapshotOf()
const acquisition = 'acquisition-1'
const own = heldValue(heldBy(me, { acquisition }))
const lock = keys.lock('0')

interface Situation {
  /** When the lock was last proved, ms ago. */
  readonly ago: number
  /** What its acquisition says; left out for "stop". */
  readonly says?: 'keep' | 'run'
  /** The fact `kept`, if it stands already: since when Consul answers, ms ago, or `-`. */
  readonly kept?: number | '-'
  readonly pinned?: true
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH') // the guard has killed it, as the test wants
  }
}

/** An instance with one partition, whose shepherd and process are `sleep`. */
async function holding(t: TestContext, { ago, says, kept, pinned }: Situation) {
  const fake = await fakeConsul(t)
  const { consul, memory } = fake
  const files = stateOf(t)
  enterState(files, me, 'svc')
  const partition = partitionIn(files, '0')
  const start = async () => {
    const env = { WATCHBILL_DIR: partition.directory }
    const child = spawn('sh', ['-c', 'trap : URG; while :; do sleep 1; done'], { env, detached: true, stdio: 'ignore' })
    t.after(() => killGroup(child.pid as number))
    return until('a process', () => processOf(child.pid as number))
  }
  const [shepherd, worker] = [await start(), await start()]
  const session = memory.session(sessionOf(me), 'a')
  const index = memory.lock(lock, session, own)
  const proof = bootClock() - ago
  extendLease(files, proof, bootClock())
  writeLease(partition, { from: pinned ? never : proof, own: proof })
  writeFact(partition.acquisition, acquisition)
  writeFact(partition.index, String(index))
  writeFact(partition.token, String(index))
  writeFact(partition.terms, ['10000 3000', ...(says ? [says] : [])].join(' '))
  writeFact(partition.shepherd, `${shepherd.pid} ${shepherd.start}`)
  writeFact(partition.process, `${worker.pid} ${worker.start}`)
  writeFact(partition.status, 'running')
  writeFact(files.session, session)
  if (kept !== undefined)
    writeFact(partition.kept, `${bootId()} ${acquisition} ${kept === '-' ? kept : bootClock() - kept}`)
  process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
  t.after(() => {
    delete process.env.CONSUL_HTTP_ADDR
  })
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/nowhere', files }
  const tick = () => guard(here, 2000)
  const whilstAway = async () => {
    process.env.CONSUL_HTTP_ADDR = '127.0.0.1:1'
    return tick()
  }
  const lose = () => memory.destroy(session)
  return { fake, files, memory, partition, shepherd, worker, tick, whilstAway, lose, proof }
}

describe('the guard, without an answer of Consul', () => {
  it('lets go on what its acquisition keeps, and is passing after the lease', async t => {
    const one = await holding(t, { ago: 1000, says: 'keep' })
    await one.whilstAway()
    assert.deepEqual(keptOf(one.partition, acquisition), { answered: null })
    const later = await holding(t, { ago: 60_000, says: 'keep', kept: '-' })
    const { code, sentence } = await later.whilstAway()
    assert.equal(code, 0)
    assert.match(sentence, /the lease is over, 1 partitions go on, since whenIsolated is "keep"/)
    assert.ok(isAlive(later.worker))
  })

  it('takes a token that is refused for no answer: an agent that is cut off may refuse every one', async t => {
    const { fake, partition, tick } = await holding(t, { ago: 1000, says: 'keep' })
    fake.script = () => ({ status: 403, text: 'ACL not found' })
    await tick()
    assert.deepEqual(keptOf(partition, acquisition), { answered: null })
  })

  for (const [what, situation] of Object.entries({
    'that says nothing': { ago: 1000 },
    'that says run': { ago: 1000, says: 'run' },
    'whose lease is over': { ago: 10_100, says: 'keep' },
    'that Consul has said is lost': { ago: 1000, says: 'keep', pinned: true },
  } satisfies Record<string, Situation>)) {
    it(`keeps no acquisition ${what}`, async t => {
      const { partition, whilstAway } = await holding(t, situation)
      await whilstAway()
      assert.ok(!existsSync(partition.kept))
    })
  }

  it('kills what nobody keeps, after L + G', async t => {
    const { whilstAway, worker } = await holding(t, { ago: 14_000 })
    await until('it to end', async () => (await whilstAway()) && !isAlive(worker))
  })
})

describe('the guard, once Consul answers again', () => {
  it('lets the lease of what is proved count again', async t => {
    const { partition, tick, worker } = await holding(t, { ago: 60_000, says: 'keep', kept: '-' })
    await tick()
    assert.ok(!existsSync(partition.kept))
    assert.ok(isAlive(worker))
  })

  it('lets go on what is free and nobody else had, and has it taken back', async t => {
    const { partition, tick, worker, lose } = await holding(t, { ago: 60_000, says: 'keep', kept: '-' })
    lose()
    const { starts } = await tick()
    assert.equal(typeof keptOf(partition, acquisition)?.answered, 'number')
    assert.deepEqual(starts.get('reconcile'), ['--after', '0'])
    await tick()
    assert.ok(isAlive(worker))
  })

  for (const [what, value] of [
    ['another has taken', heldValue({ ...heldBy(other), whenIsolated: 'keep' })],
    ['another has given back', '{"clean":true}'],
    ['says nothing any more', 'garbage'],
  ] as const) {
    it(`ends the lease of what ${what}: it has its grace period from then on`, async t => {
      const { partition, tick, lose, memory } = await holding(t, { ago: 60_000, says: 'keep', kept: '-' })
      lose()
      const session = memory.session(sessionOf(other), 'b')
      memory.lock(lock, session, value)
      const before = bootClock()
      await tick()
      assert.ok(!existsSync(partition.kept))
      const { from, own } = partitionLease(partition) ?? { from: 0, own: 0 }
      assert.equal(from, never)
      assert.ok(own + 10_000 >= before - 20 && own + 10_000 <= bootClock(), `${own + 10_000 - before}`)
    })
  }

  it('kills it after that, whatever its shepherd does', async t => {
    const { partition, tick, lose, memory, worker } = await holding(t, { ago: 60_000, says: 'keep', kept: '-' })
    lose()
    memory.lock(lock, memory.session(sessionOf(other), 'b'), heldValue(heldBy(other)))
    // On a busy machine a tick may take a late answer for none.
    await until('it to be decided', async () => (await tick()) && !existsSync(partition.kept))
    assert.ok(isAlive(worker))
    writeLease(partition, { from: never, own: bootClock() - 13_600 })
    await until('it to end', async () => (await tick()) && !isAlive(worker))
  })

  it('ends it where it could not be taken back for two minutes', async t => {
    const { partition, tick, lose } = await holding(t, { ago: 300_000, says: 'keep', kept: 121_000 })
    lose()
    await tick()
    assert.ok(!existsSync(partition.kept))
  })

  it('does not end what is being taken back at this moment', async t => {
    const one = await holding(t, { ago: 60_000, says: 'keep', kept: '-' })
    one.lose()
    const index = one.memory.lock(lock, one.memory.session(sessionOf(other), 'b'), heldValue(heldBy(other)))
    one.fake.script = () => {
      writeFact(one.partition.index, String(index + 7))
      return undefined
    }
    await one.tick()
    assert.ok(existsSync(one.partition.kept))
    assert.equal(readFact(one.partition.acquisition), acquisition)
  })
})
