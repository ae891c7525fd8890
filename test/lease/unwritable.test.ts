/** What becomes of the lease where the state directory cannot be written as usual. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/clock.ts'
import { guard } from '../../lib/guard.ts'
import { instanceLease, partitionLease, writeLease } from '../../lib/lease/lease.ts'
import { memberValue } from '../../lib/members.ts'
import { type Process, processOf } from '../../lib/process/identity.ts'
import { makeDirectory, writeFact } from '../../lib/state/facts.ts'
import { enterState, instanceFiles } from '../../lib/state/instance.ts'
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
  const value = () => JSON.parse(memory.keys.get(keys.member(me))?.Value ?? '{}') as Record<string, unknown>
  return { ...place, memory, files, partition, tick, renewed, later, value, index }
}

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
