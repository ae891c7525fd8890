import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bootId } from '../../lib/base/clock.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { hasLeft, staysOut, writeLeaving } from '../../lib/state/left.ts'
import { stateOf } from '../fixtures/state.ts'

describe('an instance', () => {
  it('takes part when nobody said otherwise', t => {
    const files = stateOf(t)
    assert.equal(hasLeft(files), false)
    assert.equal(staysOut(files, 5000), null)
  })

  it('on its way out keeps its handlers off, while its guard goes on', t => {
    const files = stateOf(t)
    writeLeaving(files)
    assert.equal(hasLeft(files), true)
    assert.equal(staysOut(files, 5000), 'leaving')
  })

  it('whose leaver died on the way takes part again', t => {
    const files = stateOf(t)
    writeFact(files.left, `leaving ${process.pid} 1`)
    assert.equal(hasLeft(files), false)
    assert.equal(staysOut(files, 5000), null)
    assert.equal(readFact(files.left), null)
  })

  const cases: [string, string, 'left' | null][] = [
    ['that left after this guard started is out', `${bootId()} 5001`, 'left'],
    ['that left when this guard started is out', `${bootId()} 5000`, 'left'],
    ['is let in again by a guard that started later', `${bootId()} 4999`, null],
    ['that left in another boot is let in again', 'another-boot 9000', null],
    ['that left ahead of the clock is let in again', `${bootId()} 9999999999999`, null],
    ['is let in again when what was written down is garbled', 'garbage', null],
  ]
  for (const [what, text, out] of cases) {
    it(what, t => {
      const files = stateOf(t)
      writeFact(files.left, text)
      assert.equal(hasLeft(files), true)
      assert.equal(staysOut(files, 5000), out)
      assert.equal(readFact(files.left), out === null ? null : text)
      assert.equal(hasLeft(files), out !== null)
    })
  }
})
