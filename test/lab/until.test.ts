import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { until } from './until.ts'

const soon = { deadline: 60, every: 5 }
const later = { deadline: 2000, every: 5 }

describe('until', () => {
  it('gives what the condition gives, once it gives something', async () => {
    const answers = [null, undefined, false, 'here', 'too late']
    assert.equal(await until('an answer', () => answers.shift(), later), 'here')
  })

  it('takes 0 and an empty string for something', async () => {
    assert.equal(await until('a number', () => 0, soon), 0)
    assert.equal(await until('a string', async () => '', soon), '')
  })

  it('says what it waited for, and what it saw last', async () => {
    const waiting = until('three members', see => see(['a', 'b']).length === 3, soon)
    await assert.rejects(waiting, { message: "waited 60 ms for three members; last seen: [ 'a', 'b' ]" })
  })

  it('goes on after an exception, and reports it when the deadline passes', async () => {
    let looks = 0
    const refused = () => {
      if (++looks < 3) throw new Error('connection refused')
      return looks
    }
    assert.equal(await until('the third look', refused, later), 3)
    const failing = until('the impossible', () => Promise.reject(new Error('connection refused')), soon)
    await assert.rejects(failing, /the impossible; last seen: connection refused/)
  })

  it('ends a look that never ends', { timeout: 5000 }, async () => {
    const began = performance.now()
    const hanging = until('a hung agent', () => new Promise<true>(() => {}), soon)
    await assert.rejects(hanging, /a hung agent; last seen: a look that did not end/)
    assert.ok(performance.now() - began < 2000)
  })
})
