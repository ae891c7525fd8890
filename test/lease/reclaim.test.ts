import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { adopt, type Reclaim, reclaimAll } from '../../lib/act/reclaim.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { type HeldValue, heldValue } from '../../lib/keys/lock.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { localFacts, localOf } from '../../lib/state/local.ts'
import { heldBy, locals, locks, me, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'

const terms = { lease: 20_000, grace: 5000 }
const value: HeldValue = heldBy(me, terms)

/** An instance that has lost its session 2 s ago, with its locks, and has a new one. */
async function lost(t: TestContext, ids: readonly string[]) {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const files = stateOf(t)
  const { keys } = snapshotOf()
  const proof = bootClock() - 2000
  memory.session('the old one', 'a')
  for (const id of ids) {
    const partition = partitionIn(files, id)
    writeFact(partition.acquisition, value.acquisition)
    writeFact(partition.index, String(memory.lock(keys.lock(id), 'the old one', heldValue(value))))
    writeFact(partition.token, '77')
    writeFact(partition.terms, `${terms.lease} ${terms.grace}`)
    writeLease(partition, { from: never, own: proof })
  }
  memory.destroy('the old one')
  memory.session(sessionOf(me), 'a')
  const index = memory.index
  const steps = ids.map((partition): Reclaim => ({ do: 'reclaim', partition, index, held: false }))
  const context = contextOf(fake.consul, files)
  const local = () => localFacts(files, null, bootClock())
  const reclaim = (which = steps) => reclaimAll(context, snapshotOf({ local: local() }), which)
  return {
    fake,
    memory,
    files,
    keys,
    proof,
    steps,
    reclaim,
    context,
    local,
    lockOf: (id: string) => memory.keys.get(keys.lock(id)),
  }
}

describe('taking back', () => {
  it('takes the lock in the new session with the same acquisition on its own terms', async t => {
    const { reclaim, files, keys, lockOf, memory } = await lost(t, ['0', '1'])
    const before = bootClock()
    await reclaim()
    for (const id of ['0', '1']) {
      const partition = files.partition(id)
      const said = memory.value(keys.lock(id)) as HeldValue
      assert.deepEqual({ ...said, since: value.since }, value)
      assert.equal(lockOf(id)?.Session, sessionOf(me))
      assert.equal(readFact(partition.index), String(lockOf(id)?.ModifyIndex))
      assert.equal(readFact(partition.token), '77', 'the process goes on with its token')
      assert.equal(readFact(partition.terms), '20000 5000')
      const lease = partitionLease(partition)
      assert.ok(lease && before <= lease.own && lease.own < lease.from && lease.from !== never)
    }
  })

  it('holds the lease at its last proof, and the index in doubt, while the transaction is under way', async t => {
    const { reclaim, fake, files, proof } = await lost(t, ['0'])
    writeLease(files.partition('0'), { from: 5, own: proof })
    let seen: unknown[] = []
    fake.script = () => {
      seen = [partitionLease(files.partition('0')), readFact(files.partition('0').index)]
      return undefined
    }
    await reclaim()
    assert.deepEqual(seen, [{ from: never, own: proof }, null])
  })

  it('leaves what changed meanwhile pinned, and takes the rest', async t => {
    const { reclaim, files, keys, lockOf, memory, proof } = await lost(t, ['0', '1'])
    memory.lock(keys.lock('0'), memory.session('s2', 'b'))
    await reclaim()
    assert.equal(lockOf('0')?.Session, 's2')
    const { acquisition, index, pinned } = localOf(files.partition('0'), bootClock(), bootClock())
    assert.deepEqual(
      [acquisition, index, pinned, partitionLease(files.partition('0'))?.own],
      [value.acquisition, null, true, proof],
    )
    assert.equal(lockOf('1')?.Session, sessionOf(me))
  })

  it('whose outcome is never learnt leaves the lease at its last proof', async t => {
    const { reclaim, fake, files, proof } = await lost(t, ['0'])
    fake.script = () => ({ status: 500, text: 'no leader' })
    await assert.rejects(reclaim(), { name: 'Temporary' })
    assert.deepEqual(partitionLease(files.partition('0')), { from: never, own: proof })
    assert.equal(readFact(files.partition('0').index), null)
  })

  it('makes a missing lock anew, and only a missing one', async t => {
    const { reclaim, lockOf, memory, keys, steps } = await lost(t, ['0', '1'])
    memory.keys.delete(keys.lock('0'))
    await reclaim(steps.map(step => ({ ...step, index: null })))
    assert.deepEqual([lockOf('0')?.Session, lockOf('1')?.Session], [sessionOf(me), undefined])
  })

  it('takes 32 locks in a transaction', async t => {
    const { reclaim, fake } = await lost(
      t,
      Array.from({ length: 40 }, (_, id) => String(id)),
    )
    await reclaim()
    assert.deepEqual(
      fake.requests.map(({ operations }) => operations.length),
      [64, 16],
    )
  })
})

describe('assuming what is held', () => {
  it('writes down index and terms, and a lease from the start of the look', async t => {
    const { context, files } = await lost(t, ['0'])
    const partition = files.partition('0')
    writeLease(partition, { from: never, own: never })
    const look = bootClock() - 50
    const snapshot = snapshotOf({
      locks: new Map([['0', locks.held(me, { held: value, modifyIndex: 123 })]]),
      local: new Map([['0', locals.quiet({ index: null, token: null, terms: null })]]),
      now: look,
    })
    adopt(context, snapshot, { do: 'adopt', partition: '0', index: 123 })
    const lease = partitionLease(partition)
    assert.deepEqual([readFact(partition.index), readFact(partition.terms), lease?.own], ['123', '20000 5000', look])
    assert.equal(readFact(partition.token), '123', 'the process cannot be started without its token')
    assert.ok(lease && lease.from > look + 50, 'a check that began before this does not count')
  })
})
