/** What becomes of the lease where the state directory cannot be written as usual. */
import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { guard } from '../../lib/guard/guard.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { defaults } from '../../lib/keys/settings.ts'
import { takeSnapshot } from '../../lib/look/snapshot.ts'
import { type Process, processOf } from '../../lib/machine/identity.ts'
import { plan } from '../../lib/plan/plan.ts'
import { assign } from '../../lib/roster/assignment.ts'
import { enterState } from '../../lib/state/boot.ts'
import { makeDirectory, writeFact } from '../../lib/state/facts.ts'
import { instanceLease, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { definition, digest, me, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { disk, withoutMounts } from '../fixtures/disk.ts'
import { until } from '../lab/until.ts'

const { keys } = snapshotOf()

/** A member that holds partition 0, whose shepherd is this process, with its state directory on a disk of its own. */
async function member(t: TestContext, options?: string) {
  const place = disk(t, options)
  const { memory, consul } = await fakeConsul(t)
  const files = instanceFiles(place.directory, me)
  enterState(files, me, 'svc')
  const partition = files.partition('0')
  makeDirectory(partition.directory)
  const session = memory.session(sessionOf(me), 'a')
  memory.lock(keys.member(me), session, memberValue('a', definition, digest))
  const index = memory.lock(keys.lock('0'), session, '{}')
  const { pid, start } = processOf(process.pid) as Process
  const own = bootClock()
  writeLease(partition, { from: own, own })
  const facts = { acquisition: 'x', index, token: index, terms: '10000 3000', shepherd: `${pid} ${start}` }
  for (const [name, value] of Object.entries(facts)) writeFact(partition[name as 'index'], String(value))
  writeFact(files.session, session)
  const accepted = { file: '/file', definition, digest, stamp: '3 /file 7 ' }
  writeFact(files.definition, JSON.stringify(accepted))
  process.env.CONSUL_HTTP_ADDR = new URL(consul.address.origin).host
  t.after(() => {
    delete process.env.CONSUL_HTTP_ADDR
  })
  const here = { instance: me, node: 'a', service: 'svc', serviceId: 'svc', definitionFile: '/file', files }
  const tick = () => guard(here, 2000)
  await tick()
  const renewed = () => instanceLease(files, bootClock()) ?? 0
  /** The clock moves in steps: until the next one a renewal changes nothing. */
  const later = (than = bootClock()) => until('the clock to move on', () => bootClock() > than)
  const value = () =>
    JSON.parse(Buffer.from(memory.keys.get(keys.member(me))?.Value ?? '', 'base64').toString()) as Record<
      string,
      unknown
    >
  return { ...place, consul, memory, files, partition, tick, renewed, later, value, index }
}

describe('the lease on a disk that can be written no more', { skip: withoutMounts }, () => {
  it('is told to the others at once, with the reason, and the guard passes while it runs', async t => {
    const { later, memory, remount, tick, value } = await member(t)
    const before = value()
    remount('ro')
    await later()
    const { code, sentence } = await tick()
    assert.equal(code, 0)
    assert.match(sentence, /^cannot write .*lease: EROFS: .*; the lease runs another \d/)
    const { leaving, why, ...others } = value()
    assert.equal(leaving, true)
    assert.match(String(why), /^cannot write .*lease: EROFS: /)
    assert.deepEqual(others, before)
    const { ModifyIndex } = memory.keys.get(keys.member(me)) as { ModifyIndex: number }
    await later()
    await tick()
    assert.equal(memory.keys.get(keys.member(me))?.ModifyIndex, ModifyIndex, 'it is told once')
  })

  it('ends as it should although the rest of an interrupted leave cannot be removed', async t => {
    const { files, later, remount, tick } = await member(t)
    writeFact(files.left, 'leaving 1 1')
    remount('ro')
    await later()
    const { code, sentence } = await tick()
    assert.match(sentence, /; the lease runs another \d/)
    assert.equal(code, 0)
  })

  it('is not written over by a handler that looks meanwhile, which takes part again afterwards', async t => {
    const { consul, files, later, remount, tick } = await member(t)
    remount('ro')
    await later()
    await tick()
    const look = async () => {
      const snapshot = await takeSnapshot(consul, me, { definition, digest }, files, defaults)
      const { steps } = plan(snapshot, assign(snapshot).placed)
      return steps.some(step => step.do === 'enter')
    }
    assert.equal(await look(), false)
    remount('rw')
    assert.equal(await look(), true)
  })

  it('makes the guard critical once it is over and nothing runs, and passing when it can be written again', async t => {
    const { files, later, partition, remount, tick } = await member(t)
    const short = { ...definition, leaseMs: 0 }
    writeFact(files.definition, JSON.stringify({ file: '/file', definition: short, digest, stamp: '3 /file 7 ' }))
    writeFact(partition.terms, '0 0')
    writeFact(partition.shepherd, '1 1')
    remount('ro')
    await later()
    const { code, sentence } = await tick()
    assert.match(sentence, /^cannot write .*; the lease is over and nothing runs$/)
    assert.equal(code, 2)
    remount('rw')
    await later()
    assert.equal((await tick()).code, 0)
  })
})

describe('the guard on a full disk', { skip: withoutMounts }, () => {
  it('gives the room of an output that is too long back', async t => {
    const { fill, partition, tick } = await member(t, 'size=2m,nr_inodes=1000')
    writeFileSync(partition.output, 'x'.repeat(1024 * 1024 + 1))
    fill()
    const { code, sentence } = await tick()
    assert.deepEqual([code, sentence], [0, '1 locks held'])
    assert.equal(statSync(partition.output).size, 0)
  })
})

describe('the lease on a disk', { skip: withoutMounts }, () => {
  for (const [what, options] of [
    ['that is full', 'size=128k,nr_inodes=1000'],
    ['that has no inode left', 'size=10m,nr_inodes=40'],
  ] as const) {
    it(`${what} is renewed as before`, async t => {
      const { fill, later, renewed, tick } = await member(t, options)
      const before = renewed()
      fill()
      await later()
      const { code, sentence } = await tick()
      assert.equal(sentence, '1 locks held')
      assert.equal(code, 0)
      assert.ok(renewed() > before)
    })

    it(`${what} is pinned when the lock is lost`, async t => {
      const { fill, later, memory, partition, tick } = await member(t, options)
      memory.put(keys.lock('0'), '{}')
      fill()
      await later()
      const { sentence } = await tick()
      assert.equal(sentence, '0 locks held, 1 lost')
      assert.ok((partitionLease(partition)?.from ?? 0) > bootClock())
    })
  }
})
