import assert from 'node:assert/strict'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { note, takeNotes, totalsOf } from '../../../lib/state/figures/notes.ts'
import { stateOf } from '../../fixtures/state.ts'

function filesIn(t: TestContext) {
  const files = stateOf(t)
  mkdirSync(files.figures, { recursive: true })
  return files
}

describe('the notes of handlers', () => {
  it('are added up by the tick', t => {
    const files = filesIn(t)
    note(files, 'on-service 80 55 3 12000')
    note(files, 'acquired', 'acquired', 'takeover 14100')
    assert.deepEqual(takeNotes(files), { runs: 1, runsMs: 80, lookBytes: 12_000 })
    note(files, 'on-service 20 15 1 400', 'attend 30 20 0 0')
    assert.deepEqual(takeNotes(files), { runs: 2, runsMs: 50, lookBytes: 400 })
    assert.deepEqual(Object.fromEntries(totalsOf(files)), {
      'on-service': [2, 100, 70, 4, 12_400],
      acquired: [2],
      takeover: [1, 14_100],
      attend: [1, 30, 20, 0, 0],
    })
  })

  it('cost nothing where there are none', t => {
    const files = filesIn(t)
    assert.deepEqual(takeNotes(files), { runs: 0, runsMs: 0, lookBytes: undefined })
    assert.ok(!existsSync(files.totals))
  })

  it('are not made before there are figures, nor when they are off', t => {
    const files = stateOf(t)
    mkdirSync(files.directory, { recursive: true })
    note(files, 'acquired')
    mkdirSync(files.figures)
    process.env.WATCHBILL_FIGURES = 'off'
    note(files, 'acquired')
    delete process.env.WATCHBILL_FIGURES
    assert.ok(!existsSync(files.notes))
  })

  it('end when nobody takes them away', t => {
    const files = filesIn(t)
    for (let count = 0; count < 3000; count++) note(files, 'on-keyprefix 10000 10000 10000 10000')
    assert.ok(statSync(files.notes).size < 70_000)
  })

  it('that are garbled are read over', t => {
    const files = filesIn(t)
    writeFileSync(files.notes, 'acqui\n\u0000\u0000\nattend x\n__proto__ 1\nattend 5 1 0 0\natten')
    takeNotes(files)
    assert.deepEqual([...(totalsOf(files).get('attend') ?? [])], [1, 5, 1, 0, 0])
    assert.ok(!totalsOf(files).has('__proto__'))
  })
})
