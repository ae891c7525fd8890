import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { bootId } from '../lib/base/clock.ts'
import { keysOf } from '../lib/base/names.ts'
import { fencingToken } from '../lib/keys/settings.ts'
import { restored, restoring, takenEarly } from '../lib/operate/restored.ts'
import { makeDirectory, writeFact } from '../lib/state/facts.ts'
import { instanceFiles } from '../lib/state/paths.ts'
import { clusterOf, heldBy, locks, me } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { directory } from './fixtures/state.ts'

const keys = keysOf('svc')

async function backup(
  t: Parameters<typeof fakeConsul>[0],
  settings: object | null = { drained: [me], held: ['8'], epoch: 2 },
) {
  const fake = await fakeConsul(t)
  fake.memory.put(keys.revision, '{}')
  fake.memory.put(keys.lock('0'), '{"clean":true}')
  if (settings !== null) fake.memory.put(keys.settings, JSON.stringify(settings))
  return { ...fake, state: directory(t) }
}

describe('a restored backup', () => {
  it('raises the epoch by one, ends the drains, keeps what is held, and has everybody look', async t => {
    const { consul, memory, state } = await backup(t)
    const before = memory.keys.get(keys.revision)?.ModifyIndex
    assert.deepEqual(await restored(consul, 'svc', state), { service: 'svc', epoch: 3, undrained: [me] })
    assert.deepEqual(memory.value(keys.settings), { drained: [], held: ['8'], epoch: 3 })
    assert.notEqual(memory.keys.get(keys.revision)?.ModifyIndex, before)
    assert.equal((await restored(consul, 'svc', state)).epoch, 4, 'once more is one higher')
  })

  it('without any settings begins with 1', async t => {
    const { consul, memory, state } = await backup(t, null)
    assert.deepEqual(await restored(consul, 'svc', state), { service: 'svc', epoch: 1, undrained: [] })
    assert.deepEqual(memory.value(keys.settings), { drained: [], held: [], epoch: 1 })
  })

  for (const [what, fact] of [
    ['the settings', { settings: '{"epoch":5}' }],
    ['a token', { token: fencingToken(5, 17) }],
  ] as const)
    it(`is older than the epoch that ${what} on this machine goes by`, async t => {
      const { consul, state } = await backup(t)
      const files = instanceFiles(state, me)
      makeDirectory(files.partition('0').directory)
      writeFact(files.identity, `${me}\nsvc\n${bootId()}`)
      if ('settings' in fact) writeFact(files.settings, fact.settings)
      else writeFact(files.partition('0').token, fact.token)
      assert.equal((await restoring(consul, 'svc', state)).epoch, 6)
    })

  it('is not taken for newer than this machine, by a user who may not see how far it was', {
    skip: process.getuid?.() !== 0 && 'it takes root to be another user',
  }, async t => {
    const { consul, memory, state } = await backup(t)
    const files = instanceFiles(state, me)
    makeDirectory(files.partition('0').directory)
    writeFact(files.identity, `${me}\nsvc\n${bootId()}`)
    writeFact(files.settings, '{"epoch":5}')
    chmodSync(state, 0o755)
    const handler = join(import.meta.dirname, '../handlers/restored.ts')
    const args = [handler, 'svc', '--state', state, '--http-addr', consul.address.origin]
    const { stderr, exitCode } = await execa(process.execPath, args, { reject: false, uid: 65534, gid: 65534 })
    assert.match(stderr, /^restored: temporary: cannot read .*a:svc: EACCES.*; run it as root, or as the user that /)
    assert.equal(exitCode, 111)
    assert.deepEqual(memory.value(keys.settings), { drained: [me], held: ['8'], epoch: 2 })
  })

  it('changes nothing while a lock is held', async t => {
    const { consul, memory, state } = await backup(t)
    const lock = memory.keys.get(keys.lock('0'))
    assert.ok(lock)
    lock.Session = 'some'
    await assert.rejects(restored(consul, 'svc', state), {
      name: 'Permanent',
      message:
        /^cannot say that svc was restored: 0 runs, or may run; drain every instance \(watchbill drain svc INSTANCE\)/,
    })
    assert.deepEqual(memory.value(keys.settings), { drained: [me], held: ['8'], epoch: 2 })
  })

  it('that the last epoch was used up for is refused', async t => {
    const { consul, state } = await backup(t, { epoch: 8191 })
    await assert.rejects(restored(consul, 'svc', state), { name: 'Permanent', message: /8191 is the last one/ })
  })
})

it('who was quicker has a token of an older epoch', () => {
  const cluster = clusterOf({
    locks: new Map([
      ['0', { ...locks.held(me), epoch: 2 }],
      ['1', { ...locks.held(me), held: heldBy(me), epoch: 3 }],
      ['2', locks.clean()],
    ]),
  })
  assert.deepEqual(takenEarly(cluster, 3), ['0'])
})
