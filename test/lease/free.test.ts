import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type FreeLock, readFree, refreshFree, writeFree } from '../../lib/look/free.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { stateOf } from '../fixtures/state.ts'

const boot = 'this-boot'
const records = (...given: [string, number, number][]) =>
  new Map<string, FreeLock>(given.map(([id, index, since]) => [id, { index, since }]))

describe('a look', () => {
  const before = records(['0', 100, 5000], ['1', 0, 4000])
  const cases: [string, [string, number][], ReturnType<typeof records>][] = [
    ['keeps since when a lock is free at the same index', [['0', 100]], records(['0', 100, 5000])],
    ['keeps since when a lock is missing', [['1', 0]], records(['1', 0, 4000])],
    ['starts anew at another index', [['0', 101]], records(['0', 101, 9000])],
    ['starts anew at an earlier index', [['0', 99]], records(['0', 99, 9000])],
    ['starts anew when a lock is missing that was free', [['0', 0]], records(['0', 0, 9000])],
    ['starts anew when a lock is free that was missing', [['1', 1]], records(['1', 1, 9000])],
    ['begins with what it did not know', [['2', 7]], records(['2', 7, 9000])],
    ['forgets what is not free any more', [], records()],
  ]
  for (const [what, free, after] of cases) {
    it(what, () => assert.deepEqual(refreshFree(before, new Map(free), 9000), after))
  }

  it('does not change the records of the last', () => {
    refreshFree(before, new Map([['0', 101]]), 9000)
    assert.deepEqual(before, records(['0', 100, 5000], ['1', 0, 4000]))
  })
})

describe('the records', () => {
  const some = records(['0', 100, 5000], ['a b  c', 7, 6000], ['ü/1', 0, 4000], ['7', 3, 1])

  it('come back as they were, ids with spaces too', t => {
    const files = stateOf(t)
    writeFree(files, boot, 9000, some)
    assert.deepEqual(readFree(files, boot, 9500), some)
  })

  it('are void when nobody refreshed them for more than 10 s', t => {
    const files = stateOf(t)
    writeFree(files, boot, 9000, some)
    assert.equal(readFree(files, boot, 19_000).size, 4)
    assert.equal(readFree(files, boot, 19_001).size, 0)
  })

  it('are void when they were written ahead of now', t => {
    const files = stateOf(t)
    writeFree(files, boot, 9000, some)
    assert.equal(readFree(files, boot, 8999).size, 0)
  })

  it('of another boot are void', t => {
    const files = stateOf(t)
    writeFree(files, 'another-boot', 9000, some)
    assert.equal(readFree(files, boot, 9000).size, 0)
  })

  it('are gone when there is nothing to record', t => {
    const files = stateOf(t)
    writeFree(files, boot, 9000, some)
    writeFree(files, boot, 9000, records())
    assert.equal(readFact(files.free), null)
    assert.equal(readFree(files, boot, 9000).size, 0)
  })

  for (const text of ['', 'garbage', boot, `${boot} soon\n1 2 x`, `\n1 2 x`]) {
    it(`${JSON.stringify(text)} are none`, t => {
      const files = stateOf(t)
      writeFact(files.free, text)
      assert.equal(readFree(files, boot, 9000).size, 0)
    })
  }

  it('leave out a line that cannot be', t => {
    const files = stateOf(t)
    writeFact(files.free, [`${boot} 9000`, '100 9001 ahead', '100 x garbled', '100 5000', '', '3 4 good'].join('\n'))
    assert.deepEqual(readFree(files, boot, 9000), records(['good', 3, 4]))
  })

  it('with a garbled index match no lock', t => {
    const files = stateOf(t)
    writeFact(files.free, `${boot} 9000\nx 5000 0`)
    const after = refreshFree(readFree(files, boot, 9000), new Map([['0', 100]]), 9000)
    assert.deepEqual(after, records(['0', 100, 9000]))
  })
})
