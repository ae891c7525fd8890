/** The two schedulers of examples/, fed with inputs: their answers may be followed, and say what their README promises. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { assign, type Input as Told } from '../../examples/scheduler-module/assign.ts'
import { loadDefinition } from '../../lib/definition/load.ts'
import { checkAnswer } from '../../lib/scheduler/check.ts'
import { type Input, type InputPartition, input as shape } from '../../lib/scheduler/input.ts'
import { me, other, third } from '../fixtures/cluster.ts'
import { inputMember, inputOf, inputPartition } from '../fixtures/scheduler.ts'

const examples = join(import.meta.dirname, '../../examples')

for (const name of ['scheduler-python', 'scheduler-module'])
  it(`the definition of ${name} loads`, async () => {
    const { assign } = await loadDefinition(join(examples, name, 'definition.json'))
    assert.equal(assign?.user, 'nobody')
  })

describe('the scheduler in Python', () => {
  const answerTo = async (input: Input) => {
    assert.ok(shape.safeParse(input).success)
    const { stdout } = await execa(join(examples, 'scheduler-python/assign.py'), { input: JSON.stringify(input) })
    return checkAnswer(stdout, input)
  }
  const tenant = (id: string, customer: string, size: number, over: Partial<InputPartition> = {}) =>
    inputPartition(id, { document: { id, customer, size }, ...over })
  const tenants = [
    ...[tenant('t1', 'acme', 40), tenant('t2', 'acme', 2), tenant('t3', 'zeta', 20), tenant('t4', 'beta', 21)],
    tenant('t5', 'beta', 1),
  ]

  it('packs by size, keeps customers together, and says why', async () => {
    const { assignment, log } = await answerTo(inputOf({ partitions: tenants }))
    assert.deepEqual([...assignment].sort(), [
      ...[
        ['t1', me],
        ['t2', me],
        ['t3', other],
        ['t4', other],
        ['t5', other],
      ],
    ])
    assert.equal(log[0], `acme: 2 tenants of size 42 to ${me}, the emptiest`)
    assert.ok(log.includes(`${other}: size 42 of a share of 42`))
  })

  it('moves nothing while that is good enough', async () => {
    const plan = {
      ...{ revision: 3, by: me, at: '', version: null, variables: {} },
      assignment: { t1: other, t2: other, t3: me, t4: me, t5: me },
    }
    const { assignment } = await answerTo(inputOf({ partitions: tenants, plan }))
    assert.deepEqual(Object.fromEntries(assignment), plan.assignment)
  })

  it('leaves what people pinned to the roster, and holds maxPartitions', async () => {
    const members = [inputMember(me, { maxPartitions: 1 }), inputMember(other, { maxPartitions: 2 })]
    const placement = { ...inputOf().placement, pins: { t1: me } }
    const { assignment, log } = await answerTo(inputOf({ partitions: tenants, members, placement }))
    assert.equal(assignment.has('t1'), false)
    assert.deepEqual(new Set(assignment.values()), new Set([other]))
    assert.match(log.join('\n'), /the roster decides/)
  })

  it('names nobody that does not take part', async () => {
    const { assignment } = await answerTo(inputOf({ partitions: tenants }))
    assert.equal([...assignment.values()].includes(third), false)
  })
})

describe('the scheduler in TypeScript', () => {
  const now = '2026-01-01T00:10:00.000Z'
  const member = (name: string, cpu: number) => inputMember(name, { meta: { cores: '4' }, figures: { cpu } })
  const partition = (id: string, holder: string | null, cpu: number) =>
    inputPartition(id, { holder, figures: { cpu, memory: 1 } })
  const input = (over: Partial<Input> = {}) =>
    inputOf({
      now,
      members: [member(me, 3.6), member(other, 0.4)],
      partitions: [partition('0', me, 2), partition('1', me, 1.6), partition('2', other, 0.4), partition('3', null, 0)],
      ...over,
    })
  const answerTo = (given: Input) => checkAnswer(JSON.stringify(assign(given as unknown as Told)), given)

  it('moves the busiest partition from a busy member to an idle one, and says so', () => {
    const { assignment, state, log } = answerTo(input())
    assert.deepEqual(Object.fromEntries(assignment), { 0: other, 1: me, 2: other })
    assert.deepEqual(state, { movedAt: now })
    assert.deepEqual(log, [`0 from ${me} (90%) to ${other} (10%)`])
  })

  it('moves nothing else for 90 s', () => {
    const soon = answerTo(input({ state: { movedAt: '2026-01-01T00:09:00.000Z' } }))
    assert.equal(soon.assignment.get('0'), me)
    const later = answerTo(input({ state: { movedAt: '2026-01-01T00:08:00.000Z' } }))
    assert.equal(later.assignment.get('0'), other)
  })

  it('moves nothing where nobody is busy, and leaves to the roster what nobody holds', () => {
    const { assignment } = answerTo(input({ members: [member(me, 2), member(other, 0.4)] }))
    assert.deepEqual(Object.fromEntries(assignment), { 0: me, 1: me, 2: other })
  })
})
