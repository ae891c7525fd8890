import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ended, fresh, observed, toldOf, transitionOf } from '../../lib/checks/state.ts'

const begun = fresh('a1', 1000, 1000)
const at = { forMs: 0 }
const failing = (code: number, now: number, failuresBeforeCritical = 1, state = begun) =>
  ended(state, { failuresBeforeCritical }, { code, output: 'it says so' }, now)

describe('the exit of a check command', () => {
  for (const [code, status] of [
    [0, 'passing'],
    [1, 'warning'],
    [2, 'critical'],
    [127, 'critical'],
  ] as const)
    it(`${code} is ${status}`, () => assert.equal(failing(code, 2000).status, status))

  it('is critical only after as many failures in a row as it takes', () => {
    const once = failing(2, 2000, 3)
    const twice = failing(2, 3000, 3, once)
    const thrice = failing(2, 4000, 3, twice)
    assert.deepEqual([once.status, twice.status, thrice.status], ['passing', 'passing', 'critical'])
    assert.equal(failing(2, 5000, 3, failing(0, 4000, 3, twice)).status, 'passing', 'a good one in between counts anew')
  })

  it('keeps what it printed', () => assert.equal(failing(2, 2000).output, 'it says so'))
})

describe('a transition', () => {
  it('is none while the status is the one that was told', () => {
    assert.equal(transitionOf(begun, at, 9000), null)
    assert.equal(
      transitionOf(toldOf(failing(2, 2000), { event: 'onFailure', previous: 'passing', number: 1 }), at, 9000),
      null,
    )
  })

  it('names the event, the status before, and its number', () => {
    assert.deepEqual(transitionOf(failing(2, 2000), at, 2000), { event: 'onFailure', previous: 'passing', number: 1 })
    const told = toldOf(failing(2, 2000), { event: 'onFailure', previous: 'passing', number: 1 })
    assert.deepEqual(transitionOf(failing(1, 3000, 1, told), at, 3000), {
      event: 'onWarning',
      previous: 'critical',
      number: 2,
    })
    assert.deepEqual(transitionOf(failing(0, 3000, 1, told), at, 3000), {
      event: 'onPass',
      previous: 'critical',
      number: 2,
    })
  })

  it('waits until the status has lasted', () => {
    const state = failing(2, 2000)
    assert.equal(transitionOf(state, { forMs: 500 }, 2499), null)
    assert.notEqual(transitionOf(state, { forMs: 500 }, 2500), null)
  })

  it('is none when the status went back before that', () => {
    const back = observed(failing(2, 2000), 'passing', '', 2400)
    assert.equal(transitionOf(back, { forMs: 500 }, 9000), null)
  })

  it('does not count anew while the status stays', () => {
    assert.equal(observed(failing(2, 2000), 'critical', 'more words', 2400).since, 2000)
  })
})
