import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../lib/base/names.ts'
import { hasVanished } from '../lib/guard/vanished.ts'
import { writeFact } from '../lib/state/facts.ts'
import { me, other, third } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { stateOf } from './fixtures/state.ts'

const keys = keysOf('svc')

/** Members, all of which the last look saw. */
async function members(t: TestContext, names: readonly string[]) {
  const { consul, memory, requests } = await fakeConsul(t)
  const files = stateOf(t)
  for (const name of names) memory.lock(keys.member(name), memory.session(name, name))
  const looked = (...names: string[]) => writeFact(files.members, names.join('\n'))
  looked(...names)
  return { memory, requests, looked, vanished: () => hasVanished(consul, 'svc', files) }
}

describe('a member that vanishes', () => {
  it('is seen at every tick, until a look has seen it', async t => {
    const { memory, looked, vanished } = await members(t, [me, other, third])
    assert.equal(await vanished(), false)
    memory.destroy(third)
    assert.deepEqual([await vanished(), await vanished()], [true, true])
    looked(me, other)
    assert.equal(await vanished(), false)
  })

  it('is seen when its key is gone, too', async t => {
    const { memory, vanished } = await members(t, [me, other])
    memory.keys.delete(keys.member(other))
    assert.equal(await vanished(), true)
  })

  it('is none that came since the last look, nor one that was not there', async t => {
    const { memory, vanished } = await members(t, [me])
    memory.lock(keys.member(other), memory.session(other, other))
    assert.equal(await vanished(), false)
    memory.destroy(other)
    assert.equal(await vanished(), false)
  })

  it('costs one small request while nothing changes', async t => {
    const { requests, vanished } = await members(t, [me, other])
    await vanished()
    requests.length = 0
    await vanished()
    assert.deepEqual(
      requests.map(({ method, path }) => `${method} ${path}`),
      ['GET /v1/kv/watchbill/svc/member?keys&separator=/'],
    )
  })
})
