import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { addPartitions, definePartitions, readPartitions } from '../../lib/keys/partition-set.ts'
import { changeByHand } from '../../lib/operate/partitions/by-hand.ts'
import { fakeConsul, type Request } from '../fixtures/consul.ts'

const keys = keysOf('svc')
const none = { added: [], changed: [], removed: [] }
const isRemoval = ({ operations }: Request) => operations.some(({ Verb }) => Verb.startsWith('delete'))

/** A set of two whose first removal is kept back: Consul carries it out only when it is told to. */
async function keepingBack(t: TestContext) {
  const fake = await fakeConsul(t, 100)
  await addPartitions(fake.consul, keys, [{ id: 'a' }, { id: 'b' }], 'definition')
  let kept: Request | null = null
  fake.script = request => {
    if (kept !== null || !isRemoval(request)) return undefined
    kept = request
    return new Promise(() => {})
  }
  const carryOut = () => fake.memory.answer(kept as unknown as Request)
  return { ...fake, fake, carryOut }
}

describe('a removal that Consul keeps back through an election', () => {
  it('by hand leaves alone what was added again since', async t => {
    const { consul, carryOut } = await keepingBack(t)
    await assert.rejects(changeByHand(consul, keys, { ...none, removed: ['a'] }, undefined), { name: 'Temporary' })
    await changeByHand(consul, keys, { ...none, removed: ['a'] }, undefined)
    await addPartitions(consul, keys, [{ id: 'a' }], 'hand')
    carryOut()
    assert.deepEqual(
      (await readPartitions(consul, keys)).map(({ id, from }) => `${id} ${from}`),
      ['a hand', 'b definition'],
    )
  })

  it('of a changed definition leaves alone what was added again since', async t => {
    const { consul, carryOut } = await keepingBack(t)
    await assert.rejects(definePartitions(consul, keys, ['b'], { gone: ['a'] }), { name: 'Temporary' })
    await definePartitions(consul, keys, ['b'], { gone: ['a'] })
    await definePartitions(consul, keys, ['a', 'b'], {})
    carryOut()
    assert.deepEqual(
      (await readPartitions(consul, keys)).map(({ id }) => id),
      ['a', 'b'],
    )
  })

  it('is carried out when nobody has changed the partition since', async t => {
    const { consul, carryOut } = await keepingBack(t)
    await assert.rejects(changeByHand(consul, keys, { ...none, removed: ['a'] }, undefined), { name: 'Temporary' })
    carryOut()
    assert.deepEqual(
      (await readPartitions(consul, keys)).map(({ id }) => id),
      ['b'],
    )
  })
})

describe('a removal', () => {
  it('by hand also removes what somebody else gives another document at the same moment', async t => {
    const fake = await fakeConsul(t)
    const { consul, memory } = fake
    await addPartitions(consul, keys, [{ id: 'a' }], 'hand')
    let quicker = true
    fake.script = request => {
      if (quicker && isRemoval(request)) memory.put(keys.partition('a'), '{"from":"hand","document":2}')
      if (isRemoval(request)) quicker = false
      return undefined
    }
    const { removed } = await changeByHand(consul, keys, { ...none, removed: ['a', 'unknown'] }, undefined)
    assert.deepEqual([removed, await readPartitions(consul, keys)], [['a'], []])
  })

  it('of a changed definition leaves alone what becomes somebody’s by hand at the same moment', async t => {
    const fake = await fakeConsul(t)
    const { consul, memory } = fake
    await addPartitions(consul, keys, [{ id: 'a' }], 'definition')
    fake.script = request => {
      if (isRemoval(request) && memory.keys.has(keys.partition('a'))) memory.put(keys.partition('a'), '{"from":"hand"}')
      return undefined
    }
    const { removed } = await definePartitions(consul, keys, [], { gone: ['a'] })
    assert.deepEqual([removed, (await readPartitions(consul, keys)).map(({ id }) => id)], [[], ['a']])
  })
})
