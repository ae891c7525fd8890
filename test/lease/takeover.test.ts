import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Claim, claimAll } from '../../lib/act/claim.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { lockFrom } from '../../lib/keys/lock.ts'
import { epochOf } from '../../lib/keys/settings.ts'
import type { Snapshot } from '../../lib/look/snapshot.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { localFacts, localOf } from '../../lib/state/local.ts'
import { me, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'

const clean = '{"clean":true}'

/** An instance in session, and free locks. */
async function claiming(t: TestContext, ids: readonly string[]) {
  const fake = await fakeConsul(t)
  fake.memory.session(sessionOf(me), 'a')
  const files = stateOf(t)
  const context = contextOf(fake.consul, files)
  const keys = snapshotOf().keys
  const claims = ids.map((partition): Claim => {
    return { do: 'claim', partition, index: fake.memory.put(keys.lock(partition), clean), takeover: false }
  })
  const starts: string[][] = []
  const claim = (over: Partial<Snapshot> = {}, which = claims) => {
    const local = localFacts(files, null, bootClock())
    return claimAll(context, snapshotOf({ local, ...over }), which, partitions => {
      starts.push([...partitions])
    })
  }
  return {
    fake,
    memory: fake.memory,
    files,
    keys,
    claims,
    starts,
    claim,
    lockOf: (id: string) => fake.memory.keys.get(keys.lock(id)),
  }
}

describe('a claim', () => {
  it('answers whoever asked for a restart: its process is a new one', async t => {
    const { claim, keys, memory } = await claiming(t, ['0', '1'])
    const request = memory.put(keys.restart('0'), '{}')
    memory.put(keys.restart('1'), '{}')
    await claim({ restarts: new Map([['0', request]]) })
    assert.deepEqual([memory.keys.has(keys.restart('0')), memory.keys.has(keys.restart('1'))], [false, true])
  })

  it('counts the epoch that was raised since its look: its tokens are above all of those before', async t => {
    const { claim, files, keys, memory } = await claiming(t, ['0', '1'])
    memory.put(keys.settings, '{"epoch":3}')
    await claim({ settings: { drained: [], held: [], epoch: 2 } })
    const tokens = ['0', '1'].map(id => epochOf(readFact(files.partition(id).token) ?? ''))
    assert.deepEqual(tokens, [3, 3])
    memory.put(keys.settings, '{"epoch":1}')
    await claim({ settings: { drained: [], held: [], epoch: 2 } }, [
      { do: 'claim', partition: '2', index: memory.put(keys.lock('2'), clean), takeover: false },
    ])
    assert.equal(epochOf(readFact(files.partition('2').token) ?? ''), 2, 'it never falls')
  })

  it('takes the lock as it was read, and writes down all that the next look needs', async t => {
    const { claim, files, keys, starts, lockOf, memory } = await claiming(t, ['0'])
    const before = bootClock()
    await claim()
    const after = bootClock()
    const raw = lockOf('0')
    const partition = files.partition('0')
    const acquisition = readFact(partition.acquisition)
    assert.match(acquisition ?? '', /^[0-9a-f-]{36}$/)
    assert.deepEqual(
      { ...(memory.value(keys.lock('0')) as object), since: '' },
      { instance: me, acquisition, lease: 10_000, grace: 3000, since: '', version: '' },
    )
    assert.equal(raw?.Session, sessionOf(me))
    assert.deepEqual(
      [readFact(partition.index), readFact(partition.token), readFact(partition.terms)],
      [String(raw?.ModifyIndex), String(raw?.ModifyIndex), '10000 3000'],
    )
    assert.deepEqual(starts, [['0']])
    const { from, own } = partitionLease(partition) ?? { from: 0, own: 0 }
    assert.ok(before <= own && own <= after, 'the lease starts with the transaction')
    assert.ok(own < from && from <= after + 10, 'only a check that begins after this counts')
  })

  it('leaves a value that is believed', async t => {
    const { claim, lockOf } = await claiming(t, ['0'])
    await claim()
    const raw = lockOf('0')
    const entry = {
      key: '',
      value: Buffer.from(raw?.Value ?? '', 'base64').toString(),
      session: null,
      createIndex: raw?.CreateIndex ?? 0,
      modifyIndex: raw?.ModifyIndex ?? 0,
      lockIndex: raw?.LockIndex ?? 0,
    }
    assert.equal(lockFrom(entry).held?.instance, me)
  })

  it('raises the token by the epoch', async t => {
    const { claim, files, lockOf } = await claiming(t, ['0'])
    await claim({ settings: { drained: [], held: [], epoch: 2 } })
    assert.equal(readFact(files.partition('0').token), String(2 * 2 ** 40 + (lockOf('0')?.ModifyIndex ?? 0)))
  })

  it('has its id on disk, and no lease that runs, before its transaction is sent', async t => {
    const { claim, fake, files } = await claiming(t, ['0', '1'])
    const earlier = partitionIn(files, '1')
    writeLease(earlier, { from: 1, own: bootClock() })
    writeFact(earlier.status, 'finished: exit 0')
    const seen: unknown[] = []
    fake.script = ({ operations }) => {
      for (const [at, id] of ['0', '1'].entries()) {
        const partition = files.partition(id)
        const { acquisition, index, token, status } = partition
        const value = Buffer.from(operations[2 * at + 1]?.Value ?? '', 'base64').toString()
        const known = readFact(acquisition) === (JSON.parse(value) as { acquisition: string }).acquisition
        seen.push([known, ...[index, token, status].map(readFact), partitionLease(partition)])
      }
      return undefined
    }
    await claim()
    assert.deepEqual(seen, [
      [true, null, null, null, null],
      [true, null, null, null, { from: never, own: never }],
    ])
  })

  it('has a lease that starts before its transaction, however long the answer takes', async t => {
    const { claim, fake, files } = await claiming(t, ['0'])
    let received = 0
    fake.script = async () => {
      received = bootClock()
      await delay(60)
      return undefined
    }
    await claim()
    const lease = partitionLease(files.partition('0'))
    assert.ok(lease && lease.own <= received && lease.from > received + 40)
  })

  it('takes 31 locks in a transaction', async t => {
    const { claim, fake, starts } = await claiming(
      t,
      Array.from({ length: 70 }, (_, id) => String(id)),
    )
    await claim()
    assert.deepEqual(
      fake.requests.map(({ operations }) => operations.length),
      [63, 63, 17],
    )
    assert.deepEqual(
      starts.map(({ length }) => length),
      [31, 31, 8],
    )
  })

  it('starts what is held before it takes more', async t => {
    const { fake, claims, keys, memory, files } = await claiming(
      t,
      Array.from({ length: 33 }, (_, id) => String(id)),
    )
    const order: string[] = []
    fake.script = () => {
      order.push('transaction')
      return undefined
    }
    await claimAll(contextOf(fake.consul, files), snapshotOf(), claims, async partitions => {
      await delay(20)
      order.push(`started ${partitions.length}`)
    })
    assert.deepEqual(order, ['transaction', 'started 31', 'transaction', 'started 2'])
    assert.equal(memory.keys.get(keys.lock('32'))?.Session, sessionOf(me))
  })
})

describe('a claim that is refused', () => {
  it('because the lock changed is forgotten, and the others go again', async t => {
    const { claim, files, starts, keys, memory, lockOf } = await claiming(t, ['0', '1', '2'])
    memory.put(keys.lock('1'), `${clean} `)
    await claim()
    assert.deepEqual(starts, [['0', '2']])
    assert.equal(lockOf('1')?.Session, undefined)
    const { acquisition, index, token, leaseRuns } = localOf(files.partition('1'), bootClock(), bootClock())
    assert.deepEqual([acquisition, index, token, leaseRuns], [null, null, null, false])
  })

  it('because another took it is forgotten', async t => {
    const { claim, files, starts, keys, memory, lockOf } = await claiming(t, ['0'])
    memory.lock(keys.lock('0'), memory.session('s2', 'b'))
    await claim()
    assert.deepEqual(starts, [])
    assert.equal(lockOf('0')?.Session, 's2')
    assert.equal(readFact(files.partition('0').acquisition), null)
  })

  it('because the session is gone takes nothing', async t => {
    const { claim, starts, memory } = await claiming(t, ['0', '1'])
    memory.destroy(sessionOf(me))
    await claim()
    assert.deepEqual(starts, [])
  })
})

describe('a claim whose outcome is never learnt', () => {
  it('keeps its id, starts nothing, and has no lease', async t => {
    const { claim, fake, files, starts, lockOf } = await claiming(t, ['0'])
    fake.script = request => {
      fake.memory.answer(request) // Consul did it, and the answer was lost
      return { status: 500, text: 'rpc error' }
    }
    await assert.rejects(claim(), { name: 'Temporary' })
    const { acquisition, index, leaseRuns } = localOf(files.partition('0'), bootClock(), bootClock())
    const sent = JSON.parse(Buffer.from(lockOf('0')?.Value ?? '', 'base64').toString()) as { acquisition: string }
    assert.deepEqual([acquisition, index, leaseRuns, starts], [sent.acquisition, null, false, []])
  })

  it('is made again with the same id', async t => {
    const { claim, fake, files } = await claiming(t, ['0'])
    fake.script = () => ({ status: 500, text: 'no leader' })
    await assert.rejects(claim())
    const first = readFact(files.partition('0').acquisition)
    fake.script = () => undefined
    await claim()
    assert.equal(readFact(files.partition('0').acquisition), first)
  })

  it('leaves those that were taken before it as they are', async t => {
    const { claim, fake, files, starts } = await claiming(
      t,
      Array.from({ length: 40 }, (_, id) => String(id)),
    )
    let transactions = 0
    fake.script = () => (++transactions === 2 ? { status: 500, text: 'no leader' } : undefined)
    await assert.rejects(claim())
    assert.deepEqual(
      starts.map(({ length }) => length),
      [31],
    )
    assert.notEqual(readFact(files.partition('30').index), null)
    assert.equal(readFact(files.partition('31').index), null)
  })
})

it('an acquisition that was held before gets another id, and nothing of it stays', async t => {
  const { claim, files } = await claiming(t, ['0'])
  const partition = partitionIn(files, '0')
  for (const [fact, text] of [
    [partition.acquisition, 'the old one'],
    [partition.index, '5'],
    [partition.token, '5'],
    [partition.releasing, 'the old one'],
    [partition.terms, '60000 1'],
  ] as const)
    writeFact(fact, text)
  await claim()
  assert.notEqual(readFact(partition.acquisition), 'the old one')
  assert.equal(readFact(partition.releasing), null)
  assert.notEqual(readFact(partition.token), '5')
  assert.equal(readFact(partition.terms), '10000 3000')
})
