/** Since when another number of partitions, or few enough lost instances, have stood. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootId } from '../../lib/base/clock.ts'
import type { CountInForce } from '../../lib/keys/count.ts'
import { rememberLooked } from '../../lib/look/looked.ts'
import { numberStands, stoodSince, writeStood } from '../../lib/look/stood.ts'
import { clusterOf, definition, me, memberOne, other } from '../fixtures/cluster.ts'
import { stateOf } from '../fixtures/state.ts'

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
