/** Since when another number of partitions, or few enough lost instances, have stood. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootId } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import type { CountInForce } from '../../lib/keys/count.ts'
import { rememberLooked } from '../../lib/look/looked.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { numberStands, stoodSince, writeStood } from '../../lib/look/stood.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { clusterOf, definition, me, memberOne, other } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { stateOf } from '../fixtures/state.ts'
import { alone } from './alone.ts'

const share = { percent: 100, of: 'weight', settleMs: 30_000 }
const count: CountInForce = {
  ...{ by: 'definition', number: 2, done: true, had: 2, share, clean: true, instance: null, since: '', index: 7 },
}
const withMembers = (...names: string[]) => clusterOf({ count, members: names.map(name => memberOne(name)) })

/** Looks at these times, ms; each finds one member, and the number in force is 2. */
function looks(t: TestContext, ...times: number[]) {
  const files = stateOf(t)
  const look = (now: number, cluster = withMembers(me), boot = bootId()) => {
    const stood = stoodSince(files, boot, cluster, definition, now)
    writeStood(files, boot, stood)
    rememberLooked(files, now)
    return stood.get(numberStands(1))
  }
  for (const now of times) look(now)
  return { files, look }
}

describe('another number of partitions', () => {
  it('has stood since the first look that found it', t => {
    assert.equal(looks(t, 1000, 11_000, 21_000).look(31_000), 1000)
  })

  it('stands anew after a look that did not find it', t => {
    const { files, look } = looks(t, 1000)
    assert.equal(look(2000, withMembers(me, other)), undefined)
    assert.equal(existsSync(files.stood), false)
    assert.equal(look(3000), 3000)
  })

  it('stands anew where nobody looked for long: it may have been another one meanwhile', t => {
    assert.equal(looks(t, 1000).look(30_999), 1000)
    assert.equal(looks(t, 1000).look(31_001), 31_001)
  })

  it('stands anew after a reboot, and where the clock began anew', t => {
    assert.equal(looks(t, 1000).look(2000, withMembers(me), 'another boot'), 2000)
    assert.equal(looks(t, 1000).look(500), 500)
  })
})

describe('a look that found another number', () => {
  const percent = { percent: 400, of: 'weight' }

  it('stands for no other, since the number falls due by time alone', async t => {
    const run = alone(t, await fakeConsul(t), percent)
    await reconcile(run)
    assert.deepEqual([existsSync(run.files.stood), existsSync(run.files.rest)], [true, false])
  })

  it('is the last such look once the number is in force', async t => {
    const fake = await fakeConsul(t)
    fake.memory.put(keysOf('svc').settings, JSON.stringify({ held: ['0', '1', '2', '3'] })) // nothing is started
    const run = alone(t, fake, { ...percent, settle: '0s' })
    await reconcile(run)
    await reconcile(run)
    const { count, partitions } = await lookAtCluster(fake.consul, 'svc')
    assert.deepEqual([count?.number, count?.done, partitions.size, existsSync(run.files.stood)], [4, true, 4, false])
  })
})
