import assert from 'node:assert/strict'
import { describe, it, type TestContext, test } from 'node:test'
import { act } from '../lib/act/act.ts'
import { sessionName } from '../lib/consul/session.ts'
import type { Source } from '../lib/definition/definition.ts'
import type { Snapshot } from '../lib/look/snapshot.ts'
import { plan } from '../lib/plan/plan.ts'
import { assign } from '../lib/roster/assignment.ts'
import { readFact } from '../lib/state/facts.ts'
import { definition, me, memberOne, other, registeredOne, snapshotOf } from './fixtures/cluster.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { contextOf, stateOf } from './fixtures/state.ts'
import type { ConsulModel } from './model/consul.ts'

const { keys } = snapshotOf()

describe('the first partition set', () => {
  const cases: [what: string, clean: boolean, over: Partial<Snapshot>, session?: string][] = [
    ['has clean locks when nobody else is there', true, { members: [memberOne(me)], registered: [registeredOne(me)] }],
    ['has clean locks when the others are newcomers too', true, {}],
    [
      'has unclean ones when another has a session and no member key',
      false,
      { members: [memberOne(me)], registered: [registeredOne(other)] },
      other,
    ],
    [
      'has unclean ones when another came back with what it ran',
      false,
      { members: [memberOne(me), memberOne(other, { holds: true })] },
    ],
    [
      "has unclean ones when another's node is lost",
      false,
      { members: [memberOne(me)], registered: [registeredOne(other, { nodeAlive: false })] },
    ],
  ]
  for (const [what, clean, over, session] of cases) {
    it(what, async t => {
      const { consul, memory } = await fakeConsul(t)
      if (session) memory.session('unknown', 'b', sessionName(session))
      const snapshot = snapshotOf({ defined: false, definedLast: null, partitions: new Set(), ...over })
      await act(contextOf(consul, stateOf(t)), snapshot, [{ do: 'define' }])
      assert.ok(memory.keys.has(keys.partition('0')))
      assert.equal((memory.value(keys.lock('0')) as { clean: boolean }).clean, clean)
    })
  }
})

describe('a missing lock', () => {
  const remade = async (t: TestContext, before: (memory: ConsulModel) => void) => {
    const { consul, memory } = await fakeConsul(t)
    before(memory)
    await act(contextOf(consul, stateOf(t)), snapshotOf({}), [{ do: 'remake', partition: '0' }])
    return memory.value(keys.lock('0'))
  }

  it('is made again as one of which nobody knows who had it', async t => {
    const value = await remade(t, memory => memory.put(keys.partition('0'), '{}'))
    assert.deepEqual(value, { ...(value as object), clean: false, instance: me })
  })

  it('is left alone when another was quicker', async t => {
    const value = await remade(t, memory => {
      memory.put(keys.partition('0'), '{}')
      memory.put(keys.lock('0'), '{"clean":true}')
    })
    assert.deepEqual(value, { clean: true })
  })

  it('is not made when the partition is out of the set meanwhile', async t => {
    assert.equal(await remade(t, () => {}), null)
  })
})

test('a definition whose partitions come from a source leaves the set to whoever fetches it', async t => {
  const { consul, memory } = await fakeConsul(t)
  const files = stateOf(t)
  const source = {} as Source // only whether there is one
  const snapshot = snapshotOf({
    definition: { ...definition, partitions: [], source },
    partitions: new Set(),
    defined: false,
    definedLast: null,
  })
  const { steps } = plan(snapshot, assign(snapshot).placed)
  assert.deepEqual(steps, [{ do: 'define' }])
  await act(contextOf(consul, files), snapshot, steps)
  assert.equal(memory.keys.size, 0)
  const next = { ...snapshot, definedLast: readFact(files.defined) }
  assert.deepEqual(plan(next, assign(next).placed).steps, [])
})

test('new ids that newer agents refuse are left out of the first set; those that are there stay', async t => {
  const { consul, memory } = await fakeConsul(t)
  memory.put(keys.partition('old one'), '{"from":"definition"}')
  const context = contextOf(consul, stateOf(t))
  const partitions = ['0', 'tenant one', 'old one', 'x/y..z']
  const snapshot = snapshotOf({ definition: { ...definition, partitions }, definedLast: '[]' })
  await act(context, snapshot, [{ do: 'define' }])
  const there = memory.below(keys.partitions).map(({ Key }) => Key)
  assert.deepEqual(there, [keys.partition('0'), keys.partition('old one')])
  assert.match(
    context.logged.join('\n'),
    /left out .* "tenant one" \(such as tenant-one\), "x\/y\.\.z" \(such as x-y\.z\)/,
  )
})
