import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { lockKeysOf } from '../../lib/base/names.ts'
import { Contest } from '../../lib/lock/contest.ts'
import { Ending, giveBack, keep } from '../../lib/lock/keep.ts'
import type { Order } from '../../lib/lock/order.ts'
import type { Signals } from '../../lib/lock/signals.ts'
import { shownAfter } from '../../lib/lock/waiting.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { until } from '../lab/until.ts'
import { behaviours, limited } from '../model/versions.ts'

async function contender(t: TestContext, name: string, wait: number | null = 0) {
  const fake = await fakeConsul(t)
  const keys = lockKeysOf(name)
  const order: Order = {
    ...{ name, command: ['true'], terms: { lease: 10_000, grace: 3000 }, slots: 1, wait, timeout: null },
    ...{ label: null, passStdin: false, conflict: 1 },
  }
  const warned: string[] = []
  const signals = { first: null as NodeJS.Signals | null, came: new Promise<null>(() => {}) } as Signals
  const common = { consul: fake.consul, keys, order, instance: 'host:1', say: () => {} }
  const contest = new Contest({
    ...common,
    acquisition: 'a',
    signals,
    warn: line => warned.push(line),
    onTry: () => {},
  })
  return { ...fake, fake, keys, common, contest, warned, signals }
}

const spec = '{"slots":1,"lease":10000,"grace":3000}'

describe('a lock whose keys newer agents refuse', () => {
  it('is not made anew', async t => {
    const { contest, memory } = await contender(t, 'nightly report')
    await assert.rejects(
      contest.win(),
      /^Permanent: cannot take nightly report: Consul's agents from 1\.22 on take no key that holds a space; call it nightly-report wherever it is used$/,
    )
    assert.equal(memory.keys.size, 0)
  })

  it('is taken as ever where it is there', async t => {
    const { contest, memory, keys } = await contender(t, 'nightly report')
    memory.put(keys.spec, spec)
    memory.put(keys.slot(0), '{"clean":true}')
    assert.ok(await contest.win())
  })

  for (const version of ['1.22.0', '1.22.5'] as const) {
    it(`is refused by name through an agent of ${version}`, async t => {
      const { contest, memory, keys } = await contender(t, 'nightly report')
      memory.put(keys.spec, spec)
      memory.behaves = behaviours[version]
      await assert.rejects(contest.win(), /^Permanent: cannot take nightly report: .*; call it nightly-report wherever/)
    })
  }

  it('costs no other lock anything', async t => {
    const { contest, memory, common, keys } = await contender(t, 'nightly-report')
    memory.put(keys.spec, spec)
    memory.put(keys.slot(0), '{"clean":true}')
    memory.behaves = behaviours['1.22.5']
    const held = await contest.win()
    assert.ok(held)
    const proofs: number[] = []
    const done = new Ending()
    const keeper = { ...common, held, onProof: (begun: number) => void proofs.push(begun), leaseRuns: () => true }
    const kept = keep(keeper, done, () => {})
    await until('a proof', () => proofs.length > 0)
    done.over()
    assert.equal(await kept, null)
  })
})

describe('a waiter', () => {
  it('asks Consul to wait for at most 20 s, which no version cuts', async t => {
    const { contest, memory, keys, requests, signals, warned } = await contender(t, 'deploy', null)
    memory.behaves = behaviours['1.22.4']
    memory.put(keys.spec, spec)
    memory.lock(keys.slot(0), memory.session('s9', 'b'))
    const won = contest.win()
    // The first ones end when others are to see that it waits.
    const isLong = (path: string) => Number(/&wait=(\d+)ms$/.exec(path)?.[1]) > shownAfter
    const query = await until('it to wait', () => requests.find(({ path }) => isLong(path)))
    signals.first ??= 'SIGTERM'
    await won
    assert.match(query.path, /&wait=20000ms$/)
    assert.deepEqual(warned, [])
  })

  for (const [what, reply] of Object.entries(limited)) {
    it(`goes on after an answer of ${what}`, async t => {
      const { contest, fake, memory, keys, warned } = await contender(t, 'deploy', 10_000)
      memory.put(keys.spec, spec)
      memory.put(keys.slot(0), '{"clean":true}')
      let answered = 0
      fake.script = () => (answered++ < 2 ? reply : undefined)
      assert.ok(await contest.win())
      assert.equal(warned.length, 1)
    })
  }

  for (const done of [true, false]) {
    it(`whose connection is closed when it takes the lock holds it once, ${done ? 'which was done' : 'which was not done'}`, async t => {
      const { contest, fake, memory, keys } = await contender(t, 'deploy', 5000)
      memory.put(keys.spec, spec)
      memory.put(keys.slot(0), '{"clean":true}')
      const tries: string[] = []
      fake.script = request => {
        if (!request.operations.some(({ Verb }) => Verb === 'lock') || tries.push(request.body) > 1) return undefined
        if (done) memory.answer(request)
        return { cut: true }
      }
      const held = await contest.win()
      assert.equal(memory.keys.get(keys.slot(0))?.Session, held?.session)
      assert.deepEqual([tries.length, memory.sessions.size], [done ? 1 : 2, 1])
    })
  }
})

describe('a holder', () => {
  for (const [what, reply] of [
    ['does not wait for the end of its session', () => new Promise<undefined>(() => {})],
    ['has given the lock back when the end of its session is refused', () => ({ status: 500, text: 'no' })],
  ] as const) {
    it(what, async t => {
      const { contest, fake, memory, common, keys, requests } = await contender(t, 'deploy')
      memory.put(keys.spec, spec)
      memory.put(keys.slot(0), '{"clean":true}')
      const held = await contest.win()
      assert.ok(held)
      const isEnd = (path: string) => path.startsWith(`/v1/session/destroy/${held.session}`)
      fake.script = request => (isEnd(request.path) ? reply() : undefined)
      const keeper = { ...common, held, onProof: () => {}, leaseRuns: () => true }
      assert.equal(await giveBack(keeper), true)
      await until('the request to arrive', () => requests.some(({ path }) => isEnd(path)))
      const { Session, Value } = memory.keys.get(keys.slot(0)) ?? assert.fail('the lock is gone')
      assert.deepEqual([Session, JSON.parse(atob(String(Value))).clean], [undefined, true])
    })
  }
})
