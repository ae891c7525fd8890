import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Beat,
  compareTokens,
  faults,
  gaps,
  longestGap,
  moves,
  overlapSeconds,
  overlaps,
  owners,
  parseBeats,
  stepsBack,
} from './beats.ts'

/** The beats of one process, every 50 ms from `from` to `to`; `stop` makes the last one its farewell. */
function process(partition: string, instance: string, from: number, to: number, more: Partial<Beat> = {}): Beat[] {
  const { pid = 100, token = '7', stop = false } = more
  const times = Array.from({ length: Math.floor((to - from) / 50) + 1 }, (_, i) => from + i * 50)
  return times.map(at => ({ at, instance, pid, partition, token, stop: stop && at + 50 > to }))
}

const a = (from: number, to: number, more?: Partial<Beat>) => process('p', 'a:x', from, to, more)
const b = (from: number, to: number, more?: Partial<Beat>) => process('p', 'b:x', from, to, { token: '8', ...more })

describe('reading beats', () => {
  it('reads what the worker writes, spaces and all', () => {
    const text = '1000\ta:x\t7\tp α 1\t12\n1050\ta:x\t7\tp α 1\t12\tstop\n'
    const beat = { instance: 'a:x', pid: 7, partition: 'p α 1', token: '12' }
    assert.deepEqual(parseBeats(text), [
      { at: 1000, ...beat, stop: false },
      { at: 1050, ...beat, stop: true },
    ])
  })

  it('leaves out a torn last line, even one that looks whole', () => {
    assert.equal(parseBeats('1000\ta:x\t7\tp\t12\n1050\ta').length, 1)
    assert.equal(parseBeats('1000\ta:x\t7\tp\t12\n1050\ta:x\t7\tp\t1').length, 1)
  })

  it('takes an empty file for no beats', () => assert.deepEqual(parseBeats(''), []))

  it('refuses any other broken line, and says which', () => {
    assert.throws(() => parseBeats('1000\ta:x\t7\tp\t12\n10\n1100\ta:x\t7\tp\t12\n'), /line 2 .*"10"/)
  })
})

describe('two owners', () => {
  const cases: [string, Beat[], number][] = [
    ['one after the other', [...a(0, 500), ...b(550, 900)], 0],
    ['one that begins with the last beat of the other', [...a(0, 500), ...b(500, 900)], 0],
    ['60 ms of both', [...a(0, 500), ...b(440, 900)], 0.06],
    ['one within the other', [...a(0, 500), ...b(100, 300)], 0.2],
    ['a lone beat within the other', [...a(0, 500), ...b(100, 100)], 0.05],
    ['one frozen while the other took over', [...a(0, 100), ...b(200, 300), ...a(1000, 1000)], 0.1],
    ['two processes of one instance', [...a(0, 500), ...a(400, 600, { pid: 101 })], 0.1],
    ['the same pid on two instances', [...a(0, 500, { pid: 7 }), ...b(400, 600, { pid: 7 })], 0.1],
    ['three at once, each pair counted', [...a(0, 100), ...b(0, 100), ...a(0, 100, { pid: 101 })], 0.3],
    ['two partitions of one instance', [...a(0, 500), ...process('q', 'a:x', 0, 500)], 0],
    ['no beats', [], 0],
  ]
  for (const [what, beats, expected] of cases) {
    it(`${what}: ${expected} s`, () => assert.equal(overlapSeconds(beats), expected))
  }

  it('are named, with when', () => {
    const [overlap] = overlaps([...a(0, 500), ...b(440, 900)])
    assert.deepEqual([overlap?.partition, overlap?.from, overlap?.to], ['p', 440, 500])
    assert.deepEqual(
      overlap?.runs.map(run => run.instance),
      ['a:x', 'b:x'],
    )
  })
})

describe('gaps', () => {
  const other = process('q', 'c:x', 0, 3000)
  const cases: [string, Beat[], [number, number][]][] = [
    ['between two owners, however short', [...a(0, 500), ...b(510, 3000)], [[500, 510]]],
    ['none where owners overlap', [...a(0, 1000), ...b(500, 3000)], []],
    ['none inside the longer of two', [...a(0, 3000), ...b(500, 600)], []],
    ['at the beginning', b(1000, 3000), [[0, 1000]]],
    ['at the end', a(0, 1000), [[1000, 3000]]],
    ['not for two beats missed at the ends', a(100, 2900), []],
    ['all the time for a partition that never ran', [], [[0, 3000]]],
  ]
  for (const [what, beats, expected] of cases) {
    const spans = expected.map(([from, to]) => ({ from, to }))
    it(what, () => assert.deepEqual(gaps([...other, ...beats], 'p'), spans))
  }

  it('within the span that is asked for', () => {
    const beats = [...a(0, 500), ...b(1500, 3000)]
    assert.deepEqual(gaps(beats, 'p', { from: 1000, to: 2000 }), [{ from: 1000, to: 1500 }])
    assert.deepEqual(gaps(beats, 'p', { from: 1500, to: 2000 }), [])
    assert.equal(longestGap(beats, 'p'), 1)
  })

  it('none without any beats', () => assert.deepEqual(gaps([], 'p'), []))
})

describe('owners and moves', () => {
  const beats = [...a(0, 500, { stop: true }), ...b(800, 1500), ...process('q', 'a:x', 0, 600)]

  it('names the final owner of each, and nobody for what is owned no more', () => {
    assert.deepEqual(Object.fromEntries(owners(beats)), { p: 'b:x', q: null })
  })

  it('names the owners at a time', () => {
    assert.deepEqual(Object.fromEntries(owners(beats, 300)), { p: 'a:x', q: 'a:x' })
    assert.deepEqual(Object.fromEntries(owners(beats, 700)), { p: null, q: 'a:x' })
  })

  it('counts a change of instance as a move, a restart not', () => {
    const restarted = [...a(0, 100), ...a(200, 300, { pid: 101 }), ...b(400, 500), ...a(600, 700, { pid: 102 })]
    assert.deepEqual(moves(restarted), [
      { partition: 'p', at: 400, from: 'a:x', to: 'b:x' },
      { partition: 'p', at: 600, from: 'b:x', to: 'a:x' },
    ])
  })
})

describe('tokens', () => {
  it('that go back are caught, once for each process', () => {
    const beats = [...a(0, 100), ...b(200, 300), ...a(400, 500, { pid: 101 })]
    assert.deepEqual(stepsBack(beats), [{ partition: 'p', at: 400, instance: 'a:x', newest: '8', token: '7' }])
  })

  it('that grow, or stay with a restart, are fine', () => {
    assert.deepEqual(stepsBack([...a(0, 100), ...a(200, 300, { pid: 101 }), ...b(400, 500)]), [])
  })

  const cases: [string, string, number][] = [
    ['9', '10', -1],
    ['9007199254740993', '9007199254740992', 1],
    ['12', '12', 0],
    ['2.5', '1.90', 1],
    ['12', '1.5', -1],
    ['-', '1', -1],
  ]
  for (const [left, right, order] of cases) {
    it(`${left} against ${right}: ${order}`, () => assert.equal(compareTokens(left, right), order))
  }
})

describe('faults', () => {
  it('finds none in a clean hand-over', () => {
    assert.deepEqual(faults([...a(0, 500, { stop: true }), ...b(600, 1500)], ['p']), [])
  })

  it('finds two owners for 60 ms, a missing partition, one too many, and a token that goes back', () => {
    const beats = [...b(0, 500), ...a(440, 1500), ...process('old', 'a:x', 0, 1500)]
    assert.deepEqual(faults(beats, ['p', 'never']), [
      'p had two owners for 60 ms from 440 on: b:x (pid 100) and a:x (pid 100)',
      'never has no owner at the end',
      'old still runs on a:x, and is no partition',
      'p went back from token 8 to 7 at 440, on a:x',
    ])
  })

  it('finds a partition whose owner went away', () => {
    const beats = [...a(0, 500), ...process('q', 'b:x', 0, 3000)]
    assert.deepEqual(faults(beats, ['p', 'q']), ['p has no owner at the end'])
  })

  it('finds everything missing when nothing ran', () => {
    assert.deepEqual(faults([], ['p']), ['p has no owner at the end'])
  })
})
