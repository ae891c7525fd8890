import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lacking } from '../../lib/setup/configure/agent.ts'
import { agentLines } from '../../lib/setup/configure/words.ts'

const agent = (scripts: boolean | null, leave: boolean | null, skip: boolean | null = true) => ({
  node: 'n1',
  version: '1.8.7',
  settings: { enable_local_script_checks: scripts, leave_on_terminate: leave, skip_leave_on_interrupt: skip },
})

describe('what an agent lacks', () => {
  test('nothing', () => assert.deepEqual(lacking(agent(true, false)), []))
  test('script checks', () => assert.deepEqual(lacking(agent(false, false)), ['enable_local_script_checks']))
  test('staying at a restart', () => assert.deepEqual(lacking(agent(true, true)), ['leave_on_terminate']))
  test('staying at SIGINT', () => assert.deepEqual(lacking(agent(true, false, false)), ['skip_leave_on_interrupt']))
  test('nothing that is known, when it does not tell', () => assert.deepEqual(lacking(agent(null, null)), []))
})

describe('what is said of it', () => {
  const needs =
    'the agent needs {"enable_local_script_checks":true,"leave_on_terminate":false,"skip_leave_on_interrupt":true}'
  const first = (...[of]: Parameters<typeof agentLines>) => agentLines(of)[0]

  const who = 'the agent on n1 (Consul 1.8.7)'
  test('that it has what it needs', () =>
    assert.equal(first(agent(true, false)), `${who} has the settings that it needs`))
  test('what it lacks', () =>
    assert.equal(
      first(agent(false, true)),
      `${who} LACKS enable_local_script_checks true and leave_on_terminate false: ` +
        'add that to its configuration and restart it',
    ))
  test('that it does not tell', () =>
    assert.equal(first(agent(true, null)), `${needs}; ${who} does not tell whether it has that`))
  test('why it was not asked', () =>
    assert.equal(first('it is away'), `${needs}; whether it has that is not known: it is away`))
  test('what its unit needs, unless that is known to fit', () => {
    assert.match(agentLines('it is away')[1] ?? '', /KillMode=process/)
    assert.deepEqual(agentLines(agent(true, false), true).slice(1), [])
  })
})
