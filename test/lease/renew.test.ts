import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Guarded, type Renewal, renew } from '../../lib/act/renew.ts'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { type Process, processOf } from '../../lib/machine/identity.ts'
import { readFact, removeFact, writeFact } from '../../lib/state/facts.ts'
import { extendLease, instanceLease, never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { localFacts } from '../../lib/state/local.ts'
import { heldBy, me } from '../fixtures/cluster.ts'
import { fakeConsul, type Reply } from '../fixtures/consul.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { behaviours } from '../model/versions.ts'

const keys = keysOf('svc')

/** An instance that holds these partitions, whose lease was last extended 5 s ago by a check that knew of them all. */
async function holding(t: TestContext, ids: readonly string[]) {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const files = stateOf(t)
  const session = memory.session('s1', 'a')
  writeFact(files.session, session)
  memory.lock(keys.member(me), session)
  const before = bootClock() - 5000
  extendLease(files, before, bootClock())
  for (const id of ids) {
    const partition = partitionIn(files, id)
    writeFact(partition.acquisition, heldBy(me).acquisition)
    writeFact(partition.index, String(memory.lock(keys.lock(id), session)))
    writeFact(partition.terms, '10000 3000')
    writeLease(partition, { from: before, own: before - 1000 })
  }
  const self = { service: 'svc', serviceId: 'svc', instance: me, node: 'a', definitionFile: '/nowhere', files }
  const guarded: Guarded = { ...self, consul: fake.consul }
  const whole = (t0 = bootClock(), consul = fake.consul) =>
    renew({ ...guarded, consul }, localFacts(files, instanceLease(files, t0), t0), t0)
  const check = (t0?: number, consul?: typeof fake.consul) => whole(t0, consul).then(apart)
  return {
    ...fake,
    fake,
    files,
    guarded,
    before,
    whole,
    check,
    lease: (id: string) => partitionLease(files.partition(id)),
  }
}

const ids = (count: number) => Array.from({ length: count }, (_, id) => String(id))

/** Without what the figures are made of. */
function apart({ acquired: _, ...renewal }: Renewal): Omit<Renewal, 'acquired'> {
  return renewal
}

describe('a check', () => {
  it('extends the lease to its own start, not to when it was answered', async t => {
    const { check, fake, files } = await holding(t, ['0', '1'])
    fake.script = async () => {
      await delay(30)
      return undefined
    }
    const t0 = bootClock()
    assert.deepEqual(await check(t0), { proved: ['0', '1'], lost: [], unusable: [], member: true, missing: null })
    assert.equal(instanceLease(files, bootClock()), t0)
  })

  it('says how often each lock was acquired, as Consul counts', async t => {
    const { whole, memory } = await holding(t, ['0', '1'])
    memory.put(keys.lock('1'), 'somebody takes it away')
    assert.deepEqual([...(await whole()).acquired], [['0', 1]])
  })

  it('makes consistent reads, and only reads', async t => {
    const { check, requests } = await holding(t, ['0'])
    await check()
    assert.deepEqual(
      requests.map(({ method, path }) => `${method} ${path}`),
      ['PUT /v1/session/renew/s1', 'PUT /v1/txn?consistent'],
    )
    assert.deepEqual(
      requests[1]?.operations.map(({ Verb }) => Verb),
      ['check-index', 'get-tree'],
    )
  })

  it('makes a consistent read even when nothing is held', async t => {
    const { check, requests, files } = await holding(t, [])
    const t0 = bootClock()
    assert.deepEqual(await check(t0), { proved: [], lost: [], unusable: [], member: true, missing: null })
    assert.equal(requests.at(-1)?.path, '/v1/txn?consistent')
    assert.equal(instanceLease(files, bootClock()), t0)
  })

  it('leaves alone what was never assumed', async t => {
    const { check, files, lease } = await holding(t, ['0'])
    const pending = partitionIn(files, '1')
    writeFact(pending.acquisition, 'pending')
    writeLease(pending, { from: never, own: never })
    assert.deepEqual((await check()).proved, ['0'])
    assert.deepEqual(lease('1'), { from: never, own: never })
  })

  it('proves more than 63 locks in several transactions', async t => {
    const { check, requests } = await holding(t, ids(150))
    const { proved, lost } = await check()
    assert.deepEqual([proved.length, lost.length], [150, 0])
    assert.deepEqual(
      requests.slice(1).map(({ operations }) => operations.length),
      [64, 64, 25],
    )
  })

  it('writes no lease of a partition whose lock it proved as before', async t => {
    const { check, before, lease } = await holding(t, ['0'])
    await check()
    assert.deepEqual(lease('0'), { from: before, own: before - 1000 })
  })

  it('frees a pinned lease once its lock is proved', async t => {
    const { check, files, lease } = await holding(t, ['0'])
    writeLease(files.partition('0'), { from: never, own: 5 })
    const t0 = bootClock()
    await check(t0)
    assert.deepEqual(lease('0'), { from: t0, own: t0 })
  })
})

describe('a lost lock', () => {
  const ways: [string, (held: Awaited<ReturnType<typeof holding>>) => void][] = [
    ['deleted', ({ memory }) => memory.keys.delete(keys.lock('1'))],
    ['overwritten', ({ memory }) => memory.put(keys.lock('1'), 'x')],
    [
      'taken by another',
      ({ memory }) => {
        memory.keys.delete(keys.lock('1'))
        memory.lock(keys.lock('1'), memory.session('s2', 'b'))
      },
    ],
    [
      // As after the restore of an older backup: the index is the one written down, but another has it.
      "in another's session at the very same index",
      ({ memory }) => {
        const raw = memory.keys.get(keys.lock('1'))
        if (raw) raw.Session = memory.session('s2', 'b')
      },
    ],
    [
      'free at the very same index',
      ({ memory }) => {
        const raw = memory.keys.get(keys.lock('1'))
        if (raw) delete raw.Session
      },
    ],
  ]
  for (const [how, lose] of ways) {
    it(`that was ${how} has its lease pinned to the last proof; the others are proved`, async t => {
      const held = await holding(t, ['0', '1', '2'])
      lose(held)
      const t0 = bootClock()
      assert.deepEqual(await held.check(t0), {
        proved: ['0', '2'],
        lost: ['1'],
        unusable: [],
        member: true,
        missing: null,
      })
      assert.deepEqual(held.lease('1'), { from: never, own: held.before })
      assert.deepEqual(held.lease('0'), { from: held.before, own: held.before - 1000 })
      assert.equal(instanceLease(held.files, bootClock()), t0)
    })
  }

  it('is pinned before the lease of the others is extended', async t => {
    const held = await holding(t, ['0', '1'])
    held.memory.keys.delete(keys.lock('1'))
    // A pin that cannot be written: a directory is in its place.
    const { lease } = held.files.partition('1')
    held.fake.script = ({ operations }) => {
      if (operations.length > 0) rmSync(lease, { recursive: true })
      if (operations.length > 0) mkdirSync(lease)
      return undefined
    }
    await assert.rejects(held.check(), { name: 'Temporary' })
    assert.equal(instanceLease(held.files, bootClock()), held.before)
  })

  it('stays pinned where it is, check after check', async t => {
    const held = await holding(t, ['0'])
    held.memory.keys.delete(keys.lock('0'))
    await held.check()
    await delay(20)
    await held.check()
    assert.deepEqual(held.lease('0'), { from: never, own: held.before })
  })

  it('with nothing that proves it is over at once', async t => {
    const held = await holding(t, ['0'])
    held.memory.keys.delete(keys.lock('0'))
    writeFact(held.files.partition('0').lease, 'garbled')
    await held.check()
    assert.deepEqual(held.lease('0'), { from: never, own: never })
  })

  it('among many is dropped, and the rest proved by asking again', async t => {
    const held = await holding(t, ids(100))
    const lost = ['3', '62', '63', '99']
    for (const id of lost) held.memory.keys.delete(keys.lock(id))
    const renewal = await held.check()
    assert.deepEqual(renewal.lost.toSorted(), lost.toSorted())
    assert.equal(renewal.proved.length, 96)
    // 63 of 100 refused, 61 + 2 refused, 61 + 1 and the rest
    assert.ok(held.requests.every(({ operations }) => operations.length <= 64))
  })

  it('when all are: every one is', async t => {
    const held = await holding(t, ids(70))
    for (const id of ids(70)) held.memory.keys.delete(keys.lock(id))
    const { proved, lost, member } = await held.check()
    assert.deepEqual([proved.length, lost.length, member], [0, 70, true])
  })
})

describe('without a session of this node', () => {
  const ways: [string, (held: Awaited<ReturnType<typeof holding>>) => void, object?][] = [
    ['none written down', ({ files }) => writeFact(files.session, '')],
    ['one that is gone', ({ memory }) => memory.sessions.delete('s1')],
    ["another node's", ({ memory }) => memory.session('s1', 'b'), { elsewhere: 'b' }],
  ]
  for (const [what, change, more] of ways) {
    it(`(${what}) nothing is proved, and every lease is pinned`, async t => {
      const held = await holding(t, ['0', '1'])
      change(held)
      const nothing = { proved: [], lost: ['0', '1'], unusable: [], member: false, missing: null, ...more }
      assert.deepEqual(await held.check(), nothing)
      for (const id of ['0', '1']) assert.deepEqual(held.lease(id), { from: never, own: held.before })
    })
  }

  it('but with one that does not hold the member key, locks are proved all the same', async t => {
    const held = await holding(t, ['0'])
    held.memory.keys.delete(keys.member(me))
    assert.deepEqual(await held.check(), { proved: ['0'], lost: [], unusable: [], member: false, missing: null })
  })
  it('a member key whose name only begins the same makes no member', async t => {
    const held = await holding(t, [])
    held.memory.keys.delete(keys.member(me))
    held.memory.lock(`${keys.member(me)}2`, 's1')
    assert.equal((await held.check()).member, false)
  })
})

describe('a check that was overtaken by a later one', () => {
  /** The check whose look at the locks is answered, as of now, only when it is told to go on. */
  async function slow({ fake, check }: Awaited<ReturnType<typeof holding>>) {
    let goOn = () => {}
    const waits = new Promise<void>(resolve => {
      goOn = resolve
    })
    const asked = new Promise<void>(resolve => {
      fake.script = request => {
        if (!request.path.startsWith('/v1/txn')) return undefined
        fake.script = () => undefined
        const reply = fake.memory.answer(request)
        resolve()
        return waits.then(() => reply)
      }
    })
    const t0 = bootClock()
    const consul = fake.consul.another(2000)
    const ends = check(t0, consul).finally(() => consul.close())
    await asked
    const end = () => {
      goOn()
      return ends
    }
    return { t0, end }
  }

  it('does not free the pinned lease of a lock that was lost since', async t => {
    const held = await holding(t, ['0', '1'])
    writeLease(held.files.partition('0'), { from: never, own: held.before })
    const { t0, end } = await slow(held)
    held.memory.keys.delete(keys.lock('0'))
    await delay(30)
    const later = bootClock()
    assert.deepEqual((await held.check(later)).lost, ['0'])
    assert.deepEqual((await end()).proved, ['0', '1'])
    assert.ok(t0 < later)
    assert.deepEqual(held.lease('0'), { from: never, own: held.before })
    assert.equal(instanceLease(held.files, bootClock()), later)
  })

  it('does not free the pinned lease of a lock whose index is in doubt since', async t => {
    const held = await holding(t, ['0'])
    const files = held.files.partition('0')
    writeLease(files, { from: never, own: held.before })
    const { end } = await slow(held)
    removeFact(files.index) // it is being taken back
    assert.deepEqual((await end()).proved, ['0'])
    assert.deepEqual(held.lease('0'), { from: never, own: held.before })
  })

  it('does not end the lease of a lock that was acquired since', async t => {
    const held = await holding(t, ['0'])
    held.memory.keys.delete(keys.lock('0'))
    const { end } = await slow(held)
    const files = held.files.partition('0')
    writeFact(files.index, String(held.memory.lock(keys.lock('0'), 's1')))
    const fresh = { from: bootClock() + 10, own: bootClock() }
    writeLease(files, fresh)
    assert.deepEqual((await end()).lost, ['0'])
    assert.deepEqual(held.lease('0'), fresh)
  })

  it('waits while another program writes the lease, and extends nothing when that does not end', async t => {
    const held = await holding(t, ['0'])
    held.memory.keys.delete(keys.lock('0'))
    const other = spawn('sleep', ['60'])
    t.after(() => other.kill())
    const { pid, start } = processOf(other.pid as number) as Process
    mkdirSync(held.files.leaseLock)
    writeFileSync(`${held.files.leaseLock}/${pid}-${start}`, `${bootId()} on-service -`)
    await assert.rejects(held.check(), { name: 'Temporary', message: /lease.lock: another program holds it/ })
    assert.equal(instanceLease(held.files, bootClock()), held.before)
    other.kill()
    await once(other, 'exit')
    assert.deepEqual((await held.check()).lost, ['0'])
    assert.deepEqual(held.lease('0'), { from: never, own: held.before })
  })
})

describe('a token that lost a permission', () => {
  it('to read the locks extends nothing: a lock may be gone unseen', async t => {
    const held = await holding(t, ['0'])
    const before = bootClock()
    await held.check(before)
    held.memory.denied = key => key.startsWith(keys.locks)
    await delay(30)
    await assert.rejects(held.check(), { missing: 'key_prefix "watchbill/svc/lock/" read' })
    assert.equal(instanceLease(held.files, bootClock()), before)
  })

  it('to renew the session still proves by the locks', async t => {
    const held = await holding(t, ['0'])
    held.fake.script = ({ path }) =>
      path.startsWith('/v1/session/renew') ? { status: 403, text: 'Permission denied' } : undefined
    const t0 = bootClock()
    assert.deepEqual(await held.check(t0), {
      proved: ['0'],
      lost: [],
      unusable: [],
      member: true,
      missing: 'session:write on a',
    })
    held.memory.destroy('s1')
    assert.deepEqual((await held.check()).lost, ['0'])
  })
})

describe('an answer that is not Consul’s', () => {
  const garbage: [string, Reply][] = [
    ['an error', { status: 500, text: 'No cluster leader' }],
    ['a page', { text: '<html>log in</html>' }],
    ['nothing', { text: '' }],
    ['an empty object', { text: '{}' }],
    ['null', { text: 'null' }],
    ['a list', { text: '[]' }],
    ['a number', { text: '5' }],
    ['half an answer', { text: '{"Results":[{"KV":{"Key":"wat' }],
    ['results that are no list', { text: '{"Results":{}}' }],
    ['results that are no keys', { text: '{"Results":[{}]}' }],
    ['a refusal without a reason', { status: 409, text: '{"Results":null,"Errors":null}' }],
    ['a refusal of nothing', { status: 409, text: '{"Results":null,"Errors":[]}' }],
    ['a refusal of what was not asked', { status: 409, text: '{"Errors":[{"OpIndex":77,"What":"?"}]}' }],
    ['a refusal without positions', { status: 409, text: '{"Errors":[{"What":"?"}]}' }],
    [
      'a refusal for want of a permission',
      { status: 409, text: '{"Errors":[{"OpIndex":0,"What":"Permission denied"}]}' },
    ],
  ]
  for (const [what, reply] of garbage) {
    it(`(${what}) to the look extends nothing, and loses nothing`, async t => {
      const held = await holding(t, ['0'])
      held.fake.script = ({ path }) => (path.startsWith('/v1/txn') ? reply : undefined)
      await assert.rejects(held.check())
      assert.equal(instanceLease(held.files, bootClock()), held.before)
      assert.deepEqual(held.lease('0'), { from: held.before, own: held.before - 1000 })
    })
  }

  it('to the session extends nothing, and loses nothing', async t => {
    const held = await holding(t, ['0'])
    for (const reply of [
      { status: 500, text: '' },
      { text: 'null' },
      { text: '[]' },
      { text: '[{"ID":"s1"}]' },
      { text: '<html>' },
    ]) {
      held.fake.script = ({ path }) => (path.startsWith('/v1/session') ? reply : undefined)
      await assert.rejects(held.check(), { name: 'Temporary' })
    }
    assert.equal(instanceLease(held.files, bootClock()), held.before)
    assert.deepEqual(held.lease('0'), { from: held.before, own: held.before - 1000 })
  })

  it('in the middle of several looks extends nothing', async t => {
    const held = await holding(t, ids(100))
    let looks = 0
    held.fake.script = ({ path }) =>
      path.startsWith('/v1/txn') && ++looks === 2 ? { status: 500, text: '' } : undefined
    await assert.rejects(held.check(), { name: 'Temporary' })
    assert.equal(readFact(held.files.lease)?.split(' ')[1], String(held.before))
  })

  it('or none in time extends nothing', async t => {
    const held = await holding(t, ['0'])
    const fake = await fakeConsul(t, 80)
    fake.script = () => new Promise(() => {})
    const check = renew(
      { ...held.guarded, consul: fake.consul },
      localFacts(held.files, held.before, bootClock()),
      bootClock(),
    )
    await assert.rejects(check, { name: 'Temporary', message: /no answer within 80 ms/ })
    assert.equal(instanceLease(held.files, bootClock()), held.before)
  })

  it('an answer without the entry of a lock does not prove it', async t => {
    const held = await holding(t, ['0'])
    held.fake.script = ({ path }) =>
      path.startsWith('/v1/txn') ? { text: { Results: null, Errors: null } } : undefined
    assert.deepEqual((await held.check()).lost, ['0'])
  })
})

describe('a key that newer agents refuse', () => {
  const hundred = [...ids(99), 'tenant one']

  it('costs only its own lock, once the agent is one of them', async t => {
    const { check, memory, files, lease, before } = await holding(t, hundred)
    memory.behaves = behaviours['1.22.5']
    const t0 = bootClock()
    const { proved, lost, unusable, member } = await check(t0)
    assert.deepEqual([proved.toSorted(), member], [ids(99).toSorted(), true])
    assert.deepEqual([lost, unusable], [['tenant one'], ['tenant one']])
    assert.equal(instanceLease(files, bootClock()), t0)
    assert.deepEqual(lease('tenant one'), { from: never, own: before }, 'its lease ends after its last proof')
  })

  it('is proved like any other by an older agent, in a transaction of its own', async t => {
    const { check, requests } = await holding(t, hundred)
    const { proved, lost, unusable } = await check()
    assert.deepEqual([proved.toSorted(), lost, unusable], [hundred.toSorted(), [], []])
    const locksIn = requests.map(({ operations }) => operations.filter(({ Key }) => Key.startsWith(keys.locks)))
    assert.deepEqual(
      locksIn.filter(locks => locks.some(({ Key }) => Key === keys.lock('tenant one'))).map(({ length }) => length),
      [1],
    )
  })
})
