import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Beat } from '../lab/beats.ts'
import { type Incident, judge, staleWrites } from './verdict.ts'

/** The beats of one process, every 50 ms from `from` to `to`. */
function beating(instance: string, from: number, to: number, more: Partial<Beat> = {}): Beat[] {
  const { pid = 100, token = '7', partition = 'p', stop = false, refused } = more
  const times = Array.from({ length: Math.floor((to - from) / 50) + 1 }, (_, i) => from + i * 50)
  const beat = { instance, pid, partition, token, ...(refused && { refused }) }
  return times.map(at => ({ at, ...beat, stop: stop && at + 50 > to }))
}

const a = (from: number, to: number, more?: Partial<Beat>) => beating('a:x', from, to, more)
const b = (from: number, to: number, more?: Partial<Beat>) => beating('b:x', from, to, { token: '8', ...more })

const incident: Incident = {
  gap: 'takeover',
  from: 1000,
  limit: 13_000,
  losses: new Map(),
  frozen: [],
  residual: 200,
  starts: null,
  slowUntil: null,
}
const lostAt = (...at: number[]) => ({ losses: new Map([['p', at]]) })

function verdict(beats: Beat[], more: Partial<Incident> = {}, partitions = ['p']) {
  return judge(
    beats.toSorted((x, y) => x.at - y.at),
    partitions,
    { ...incident, ...more },
  )
}

describe('the verdict on a fault', () => {
  it('accepts a takeover in time', () => {
    const seen = verdict([...a(0, 8000), ...b(15_000, 20_000)], lostAt(3000))
    assert.deepEqual([seen.faults, seen.overlap, seen.afterLoss, seen.longestGap], [[], 0, 12_000, 7000])
  })

  it('rejects two owners for 60 ms, on two hosts or on one', () => {
    for (const later of [b(4940, 9000), a(4940, 9000, { pid: 101 })]) {
      const seen = verdict([...a(0, 5000), ...later])
      assert.equal(seen.overlap, 60)
      assert.match(seen.faults.join(), /^p had two owners for 60 ms from 4940 on: a:x \(pid 100\) and /)
    }
  })

  it('counts a single beat beside another owner as 50 ms', () => {
    const seen = verdict([...a(0, 9000), ...b(4000, 4000)])
    assert.equal(seen.overlap, 50)
    assert.equal(seen.faults.length > 0, true)
  })

  it('rejects a partition that is started too often, when starts are counted', () => {
    const beats = [0, 3000, 6000].flatMap(from => a(from, from + 2500, { pid: 100 + from }))
    const judged = (most: number, until: number) => verdict(beats, { gap: 'any', starts: { most, until } }).faults
    assert.deepEqual(judged(2, 9000), ['p had 3 processes, one after the other: 2 are allowed'])
    assert.deepEqual([judged(3, 9000), judged(2, 5000)], [[], []])
  })

  it('lets a thawed process beat beside its successor for as long as the fault says', () => {
    const beats = [...a(0, 5000), ...b(20_000, 40_000), ...a(30_000, 31_000, { refused: true })]
    const frozen = [{ instance: 'a:x', from: 5010, to: 30_000 }]
    const judged = (residual: number) => verdict(beats, { gap: 'any', frozen, residual })
    assert.deepEqual([judged(3000).faults, judged(3000).residual, judged(3000).overlap], [[], 1000, 0])
    assert.match(judged(500).faults.join(), /^thawed: p had two owners for 1000 ms/)
  })

  it('rejects a partition without an owner at the end, and one that never ran', () => {
    const seen = verdict([...a(0, 5000), ...beating('b:x', 0, 9000, { partition: 'q' })], {}, ['p', 'q', 'r'])
    assert.deepEqual(seen.faults.slice(0, 2), ['p has no owner at the end', 'r has no owner at the end'])
  })

  it('rejects a token that goes back', () => {
    const { faults } = verdict([...b(0, 5000), ...a(5500, 9000)])
    assert.deepEqual(faults, ['p went back from token 8 to 7 at 5500, on a:x'])
  })
})

describe('a time without an owner', () => {
  const after = (ms: number) => [...a(0, 5000), ...b(5000 + ms, 30_000)]
  const cases: [string, Beat[], Partial<Incident>, RegExp][] = [
    ['none is allowed', after(100), { gap: 'none' }, /100 ms from 5000 on: nothing should have ended/],
    ['a clean one', after(2000), { gap: 'clean' }, /^$/],
    ['too long for a clean one', after(2100), { gap: 'clean' }, /2100 ms from 5000 on: 2000 ms are allowed/],
    ['within the limit', after(13_000), { gap: 'local' }, /^$/],
    ['beyond the limit', after(13_100), { gap: 'local' }, /13000 ms are allowed/],
    ['within the limit from the loss on', after(15_000), lostAt(7000), /^$/],
    ['beyond the limit from the loss on', after(15_100), lostAt(6000), /14100 ms after the loss/],
    ['from the last loss before its end', after(10_000), lostAt(500, 2000, 25_000), /^$/],
    ['from its own beginning, where no loss was seen', after(13_000), {}, /^$/],
    ['too long, where no loss was seen', after(13_100), lostAt(500), /13100 ms after the loss/],
    ['from when a slow host can work again, where no loss was seen', after(15_000), { slowUntil: 7000 }, /^$/],
    ['too long even so', after(20_100), { slowUntil: 7000 }, /18100 ms after the loss/],
    [
      'from the loss on, however slow the host',
      after(15_100),
      { ...lostAt(6000), slowUntil: 19_000 },
      /14100 ms after/,
    ],
    ['whatever', after(20_000), { gap: 'any' }, /^$/],
  ]
  for (const [what, beats, more, expected] of cases) {
    it(what, () => assert.match(verdict(beats, more).faults.join(), expected))
  }
})

describe('a host that was frozen', () => {
  const frozen = { frozen: [{ instance: 'a:x', from: 2000, to: 42_000 }], ...lostAt(4000) }
  const successor = b(15_000, 50_000)

  it('does not count as an owner meanwhile', () => {
    const seen = verdict([...a(0, 2000), ...successor], frozen)
    assert.deepEqual([seen.faults, seen.longestGap, seen.afterLoss], [[], 13_000, 11_000])
  })

  it('may beat 0.2 s after the thaw, and no longer', () => {
    const seen = (to: number) => verdict([...a(0, 2000), ...a(42_000, to, { refused: true }), ...successor], frozen)
    assert.deepEqual([seen(42_200).faults, seen(42_200).residual, seen(42_200).overlap], [[], 200, 0])
    assert.match(seen(42_250).faults.join(), /^thawed: p had two owners for 250 ms/)
  })

  it('must be killed after the thaw, not asked to stop', () => {
    const { faults } = verdict(
      [...a(0, 2000), ...a(42_000, 42_100, { stop: true, refused: true }), ...successor],
      frozen,
    )
    assert.deepEqual(faults, ['p: after the thaw a:x (pid 100) was asked to stop instead of being killed'])
  })

  it('does not excuse a process that began later, or one on another host', () => {
    const again = verdict([...a(0, 2000), ...a(43_000, 43_100, { pid: 101 }), ...successor], frozen)
    assert.equal(again.overlap, 100)
    const other = verdict([...a(0, 2000), ...successor, ...beating('c:x', 42_000, 42_100)], frozen)
    assert.equal(other.overlap, 100)
  })
})

describe('a write with an old token', () => {
  it('that the store refused is counted', () => {
    const seen = verdict([...a(0, 2000), ...a(42_000, 42_100, { refused: true }), ...b(15_000, 50_000)], {
      frozen: [{ instance: 'a:x', from: 2000, to: 42_000 }],
    })
    assert.deepEqual([seen.stale, seen.refused], [0, 3])
  })

  it('that the store took is a fault', () => {
    const seen = [...a(0, 2000), ...b(3000, 3100), ...a(3050, 3050)].sort((x, y) => x.at - y.at)
    assert.deepEqual(
      staleWrites(seen).map(({ at, instance }) => [at, instance]),
      [[3050, 'a:x']],
    )
    assert.match(verdict(seen).faults.join(), /the store took a write of a:x at 3050 with the old token 7/)
  })
})

describe('the number of processes that run through', () => {
  it('counts the processes that exist both at the start and at the end', () => {
    const q = beating('b:x', 0, 9000, { partition: 'q' })
    const seen = verdict([...a(0, 5000), ...b(5500, 9000), ...q], {}, ['p', 'q'])
    assert.deepEqual([seen.before, seen.ranThrough], [2, 1])
  })
})
