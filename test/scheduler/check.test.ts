/** Every kind of wrong answer, with the one line that refuses it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkAnswer, Refused } from '../../lib/scheduler/check.ts'
import type { Input } from '../../lib/scheduler/input.ts'
import { me, other, third } from '../fixtures/cluster.ts'
import { inputMember, inputOf, inputPartition, placementOf, versionOf } from '../fixtures/scheduler.ts'

const said = (answer: unknown, input: Input = inputOf()) => {
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
  try {
    return checkAnswer(text, input)
  } catch (error) {
    assert.ok(error instanceof Refused, String(error))
    assert.doesNotMatch(error.message, /\n/)
    return error.message
  }
}

const zoned = { members: [inputMember(me, { meta: { zone: 'a' } }), inputMember(other, { meta: { zone: 'b' } })] }
const documented = (over: object) => ({ ...over, partitions: [inputPartition('0', { document: { tenant: 't' } })] })

const withoutVersions = (name: string) => {
  const { versions: _, ...member } = inputMember(name)
  return member
}
const prepared = (...all: string[]) => ({ versions: { pattern: '^1\\.\\d$', prepared: all } })
const versioned = (over: Parameters<typeof versionOf>[0]) => ({
  settings: { ...inputOf().settings, version: versionOf(over) },
})

/** What is wrong, the answer, the line, and the input where the usual one does not do. */
const wrong: readonly (readonly [string, unknown, string, Partial<Input>?])[] = [
  ['nothing', '', 'it is empty'],
  ['garbage', 'Traceback (most recent', 'it is not JSON: line 1, column 1: expected a value, found "T"'],
  [
    'half an answer',
    '{"assignment":{"0":',
    'it is not JSON: line 1, column 20: expected a value, found the end of the file',
  ],
  [
    'another thing than an object',
    '[]',
    'it cannot be an empty array; give an object with assignment, count, version, variables, state, log, next, answers',
  ],
  [
    'no assignment',
    {},
    `assignment: is missing; give an object: for each partition an instance, or {"instance": null, "reason": "why"}`,
  ],
  [
    'a field that nobody knows',
    { assignment: {}, asignment: {} },
    'asignment: is an unknown field; the fields here are assignment, count, version, variables, state, log, next, answers',
  ],
  [
    'a partition twice',
    `{"assignment":{"0":"${me}","0":"${other}"}}`,
    'line 1, column 28: the field "0" is there twice',
  ],
  ['an unknown partition', { assignment: { 9: me } }, 'assignment.9: there is no such partition'],
  ['an unknown instance', { assignment: { 0: 'z:svc' } }, 'assignment.0: "z:svc" is no member'],
  ['a member that is drained', { assignment: { 1: third } }, `assignment.1: ${third} does not take part: drained`],
  [
    'nobody, without a reason',
    { assignment: { 0: null } },
    'assignment.0: cannot be null; give an instance, or {"instance": null, "reason": "why"}',
  ],
  [
    'another value',
    { assignment: { 0: 7 } },
    'assignment.0: cannot be 7; give an instance, or {"instance": null, "reason": "why"}',
  ],
  [
    'a rule is broken',
    { assignment: { 0: me } },
    `assignment.0: ${me} has another meta.zone than b`,
    { ...zoned, placement: placementOf({ only: [{ attribute: 'meta.zone', in: ['b'] }] }) },
  ],
  [
    'a rule about documents is broken',
    { assignment: { 0: me } },
    `assignment.0: ${me} has another meta.zone than b`,
    documented({
      ...zoned,
      placement: placementOf({ only: [{ for: { field: '/tenant', in: ['t'] }, attribute: 'meta.zone', in: ['b'] }] }),
    }),
  ],
  [
    'a pin is broken',
    { assignment: { 0: me } },
    `assignment.0: ${me} is not ${other}, to which it is pinned`,
    { placement: placementOf({}, { 0: other }) },
  ],
  [
    'a pin is broken by nobody',
    { assignment: { 0: { instance: null, reason: 'no' } } },
    `assignment.0: it is pinned to ${other}`,
    { placement: placementOf({}, { 0: other }) },
  ],
  [
    'maxPartitions is broken',
    { assignment: { 0: me, 1: me } },
    `assignment.1: ${me} is full: it takes at most 1 partitions`,
    { members: [inputMember(me, { maxPartitions: 1 })] },
  ],
  [
    'maxPartitions is broken beside a pin',
    { assignment: { 0: me } },
    `assignment.0: ${me} is full: it takes at most 1 partitions`,
    { members: [inputMember(me, { maxPartitions: 1 })], placement: placementOf({}, { 3: me }) },
  ],
  [
    'maxCost is broken',
    { assignment: { 0: me, 1: me } },
    `assignment.1: ${me} has no room for its cost: its partitions may cost at most 5`,
    {
      members: [inputMember(me, { maxCost: 5 })],
      partitions: [inputPartition('0', { cost: 3 }), inputPartition('1', { cost: 2.5 })],
    },
  ],
  [
    'apart is broken',
    { assignment: { 0: me, 1: me } },
    `assignment.1: ${me} has another of its group (apart by node): "0"`,
    { placement: placementOf({ apart: [{ over: 'node' }] }) },
  ],
  [
    'a cool-down is broken',
    { assignment: { 0: me } },
    `assignment.0: ${me} gave it up because of a check, and may not have it yet`,
    { partitions: [inputPartition('0', { notOn: me })] },
  ],
  [
    'a number of partitions where none is possible',
    { assignment: {}, count: 7 },
    'count: the definition does not number its partitions, or people have set the number',
  ],
  ['half a partition', { assignment: {}, count: 1.5 }, 'count: cannot be 1.5; give a whole number from 1 to 100000'],
  [
    'a version of two lines',
    { assignment: {}, version: 'a\nb' },
    'version: cannot be "a\\nb"; give 1 to 100 of A-Z a-z 0-9 . _ + : @ - that begin with a letter or a digit',
  ],
  [
    'a version that is an option',
    { assignment: {}, version: '--help' },
    'version: cannot be "--help"; give 1 to 100 of A-Z a-z 0-9 . _ + : @ - that begin with a letter or a digit',
  ],
  [
    'a version where a definition has none',
    { assignment: {}, version: '1.2' },
    `version: the definition of ${other} has no "versions"`,
    { members: [inputMember(me), withoutVersions(other)] },
  ],
  [
    'a version that the pattern of one member forbids',
    { assignment: {}, version: '1.2' },
    `version: 1.2 does not fit versions.pattern of ${other}, ^2`,
    { members: [inputMember(me), inputMember(other, { versions: { pattern: '^2', prepared: null } })] },
  ],
  [
    'a version beside a pattern that is none',
    { assignment: {}, version: '1.2' },
    `version: 1.2 does not fit versions.pattern of ${me}, ^(`,
    { members: [inputMember(me, { versions: { pattern: '^(', prepared: null } })] },
  ],
  [
    'a version that one member has not prepared',
    { assignment: {}, version: '1.2' },
    `version: ${other} has not prepared 1.2; use watchbill roll`,
    { members: [inputMember(me, prepared('1.1', '1.2')), inputMember(other, prepared('1.1'))] },
  ],
  [
    'a version that a drained member has not prepared',
    { assignment: {}, version: '1.2' },
    `version: ${third} has not prepared 1.2; use watchbill roll`,
    { members: [inputMember(me), inputMember(third, { ...prepared(), health: 'drained', drained: true })] },
  ],
  [
    'another version during a roll-out',
    { assignment: {}, version: '1.2' },
    'version: it must not change now: a roll-out is under way',
    versioned({ inForce: '1.1', said: '1.0', fixed: 'a roll-out is under way' }),
  ],
  [
    'variables of nobody',
    { assignment: {}, variables: { instance: { 'z:svc': {} } } },
    'variables.instance["z:svc"]: there is no such member',
  ],
  [
    'large variables',
    { assignment: {}, variables: { service: { a: 'x'.repeat(70_000) } } },
    'variables: takes more than 65536 bytes as JSON',
  ],
  ['a large state', { assignment: {}, state: 'x'.repeat(70_000) }, 'state: takes more than 65536 bytes as JSON'],
  ['a log that is no list', { assignment: {}, log: 'why' }, 'log: cannot be a string; give a list of lines'],
  ['a pause of nothing', { assignment: {}, next: '0s' }, 'next: cannot be "0s"; give a duration from "1s" to "24h"'],
  ['an answer to nothing', { assignment: {}, answers: { 7: 'done' } }, 'answers["7"]: no such action waits'],
  ['too much', { assignment: {}, log: ['x'], state: 'x'.repeat(530_000) }, 'it has 530040 bytes, more than 524288'],
  ['too deep', `{"assignment":{},"state":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'it is nested too deeply'],
]

describe('a wrong answer is refused as a whole, in one line that names the entry', () => {
  for (const [what, answer, line, over = {}] of wrong) it(what, () => assert.equal(said(answer, inputOf(over)), line))
})

describe('a good answer', () => {
  it('may decide about some partitions only', () => {
    const checked = checkAnswer(JSON.stringify({ assignment: { 1: other } }), inputOf())
    assert.deepEqual([...checked.assignment], [['1', other]])
    assert.deepEqual([checked.version, checked.count, checked.nextMs], [null, null, null])
    assert.equal(checked.state, undefined)
  })

  it('may leave partitions to nobody, with the reason', () => {
    const checked = checkAnswer(
      JSON.stringify({ assignment: { 1: { instance: null, reason: 'no licence' } } }),
      inputOf(),
    )
    assert.deepEqual([...checked.nobody], [['1', 'no licence']])
  })

  it('may hold a pin, and fill a limit', () => {
    const input = inputOf({
      members: [inputMember(me, { maxPartitions: 2, maxCost: 2 })],
      placement: placementOf({}, { 0: me }),
    })
    assert.equal(checkAnswer(JSON.stringify({ assignment: { 0: me, 1: me } }), input).assignment.size, 2)
  })

  it('may say a version that every member allows and has prepared; one that leaves is not asked', () => {
    const members = [inputMember(me, prepared('1.2')), { ...withoutVersions(other), health: 'leaving' }]
    assert.equal(checkAnswer(JSON.stringify({ assignment: {}, version: '1.2' }), inputOf({ members })).version, '1.2')
  })

  for (const [what, over] of [
    ['in force', { inForce: 'x', said: null }],
    ['that it said before, whatever people rolled out since', { inForce: '3.0', said: 'x' }],
  ] as const)
    it(`may go on saying the version ${what}, during a roll-out too`, () => {
      const input = inputOf(versioned({ ...over, fixed: 'a roll-out is under way' }))
      assert.equal(checkAnswer(JSON.stringify({ assignment: {}, version: 'x' }), input).version, 'x')
    })

  it('may say everything', () => {
    const action = { id: 'a1', action: 'promote', arguments: {}, at: '' }
    const answer = {
      assignment: {},
      count: 8,
      version: '1.2',
      variables: { service: { a: 1 }, instance: { [me]: { b: [2] } } },
      state: { seen: 1 },
      log: ['why'],
      next: '10s',
      answers: { a1: 'done' },
    }
    const input = inputOf({ actions: [action], settings: { ...inputOf().settings, countable: true } })
    const { assignment, nobody, answers, ...rest } = checkAnswer(JSON.stringify(answer), input)
    assert.deepEqual(rest, {
      ...{ count: 8, version: '1.2', variables: answer.variables, state: { seen: 1 }, log: ['why'], nextMs: 10_000 },
    })
    assert.deepEqual([...answers], [['a1', 'done']])
  })
})
