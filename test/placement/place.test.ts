/** What holds for every placement by rules, held against an exhaustive search. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { noRules } from '../../lib/definition/rules.ts'
import type { PlacedMember } from '../../lib/roster/member.ts'
import { type Asked, place } from '../../lib/roster/place.ts'
import { cases, type Sizes } from './cases.ts'
import { compare, judgeOf } from './exhaustive.ts'

const check = (name: string, sizes: Sizes, runs: number, property: (asked: Asked) => void) =>
  it(name, () => fc.assert(fc.property(cases(sizes), property), { numRuns: runs }))

const small = { members: 4, partitions: 6, hard: false }
const whole = { members: 5, partitions: 8, hard: false }

function scoreOf(asked: Asked) {
  const { placed, unplaced } = place(asked)
  const score = judgeOf(asked).score(placed)
  assert.ok(score !== null, `a hard rule does not hold: ${JSON.stringify([...placed])}`)
  assert.equal(placed.size + unplaced.size, new Set(asked.partitions).size)
  return score
}

const optimal = (asked: Asked) => {
  const [score, best] = [scoreOf(asked), judgeOf(asked).best()]
  assert.ok(compare(score, best) === 0, `${score} instead of ${best}: ${JSON.stringify([...place(asked).placed])}`)
}

describe('with only, pins, limits, one cost and groups that do not overlap, the placement is the best of all', () => {
  check('of 4 members and 6 partitions', small, 500, optimal)
  check('of 5 members and 8 partitions', whole, 25, optimal)
})

describe('in the middle of hand-overs', () => {
  check('no more moves are left than there were', whole, 500, asked => {
    const { placed } = place(asked)
    const there = new Set(asked.members.map(({ instance }) => instance))
    const held = [...asked.holders].filter(([, holder]) => there.has(holder))
    const left = (holders: Iterable<readonly [string, string]>, now: ReadonlyMap<string, string>) =>
      [...holders].filter(([id, holder]) => now.get(id) !== holder).map(([id]) => id)
    const moves = left(held, placed)
    const done = new Set(moves.filter((_, at) => at % 2 === 0))
    const halfway = held.flatMap(([id, holder]) => {
      const next = done.has(id) ? placed.get(id) : holder
      return next === undefined ? [] : [[id, next] as const]
    })
    assert.equal(left(halfway, place({ ...asked, holders: new Map(halfway) }).placed).length, moves.length - done.size)
  })

  /** The partitions that have another target once one in three is where it is to be. */
  const others = (asked: Asked, round: number) => {
    const { placed } = place(asked)
    const there = new Set(asked.members.map(({ instance }) => instance))
    const halfway = asked.partitions.flatMap((id, at) => {
      const now = (at * 7 + round) % 3 === 0 ? placed.get(id) : asked.holders.get(id)
      return now !== undefined && there.has(now) ? [[id, now] as const] : []
    })
    const again = place({ ...asked, holders: new Map(halfway) }).placed
    return asked.partitions.filter(id => again.get(id) !== placed.get(id))
  }
  const some = (hard: boolean) => fc.sample(cases({ ...whole, partitions: 12, hard }), { numRuns: 500, seed: 5 })

  it('no partition has another target than before, where all are of one kind', () => {
    for (const [round, given] of some(false).entries()) {
      const asked = { ...given, rules: noRules, pins: new Map(), avoided: new Map() }
      assert.deepEqual(others(asked, round), [])
    }
  })

  it('hardly any has, with rules', () => {
    const differing = (hard: boolean) => some(hard).filter((asked, round) => others(asked, round).length > 0).length
    const found = { withoutCosts: differing(false), withEverything: differing(true) }
    // Costs, spread and groups that overlap are a search that starts from what is held.
    assert.ok(found.withoutCosts <= 3 && found.withEverything <= 18, JSON.stringify(found))
  })
})

describe('with everything', () => {
  const hard = { ...whole, hard: true }
  check('every hard rule holds', hard, 1000, asked => {
    scoreOf(asked)
  })

  check('no single move and no exchange makes it better', hard, 300, asked => {
    const { placed } = place(asked)
    const judge = judgeOf(asked)
    const score = scoreOf(asked)
    const better = (other: Map<string, string>) => {
      const found = judge.score(other)
      return found !== null && compare(found, score) < 0
    }
    const names = [...asked.members.map(({ instance }) => instance), undefined]
    const put = (id: string, name: string | undefined, into: Map<string, string>) =>
      name === undefined ? into.delete(id) : into.set(id, name)
    for (const id of asked.partitions) {
      for (const name of names) {
        const other = new Map(placed)
        put(id, name, other)
        assert.ok(!better(other), `${id} to ${name}: ${score}`)
      }
      for (const second of asked.partitions) {
        const other = new Map(placed)
        put(id, placed.get(second), other)
        put(second, placed.get(id), other)
        assert.ok(!better(other), `${id} for ${second}: ${score}`)
      }
    }
  })

  check('nothing changed, nothing moves', hard, 500, asked => {
    const { placed } = place(asked)
    assert.deepEqual(place({ ...asked, holders: placed }).placed, placed)
  })

  check('the order of what is given does not matter', hard, 300, asked => {
    const sorted = (map: ReadonlyMap<string, string>) => [...map].sort()
    const one = place(asked)
    const two = place({
      ...asked,
      members: asked.members.toReversed(),
      partitions: asked.partitions.toReversed(),
      holders: new Map([...asked.holders].reverse()),
      pins: new Map([...asked.pins].reverse()),
      traits: new Map([...asked.traits].reverse()),
    })
    assert.deepEqual(sorted(two.placed), sorted(one.placed))
    assert.deepEqual(sorted(two.unplaced), sorted(one.unplaced))
  })
})

it('places nothing while there are no partitions', () => {
  fc.assert(
    fc.property(cases(small), asked => {
      const { placed, unplaced } = place({ ...asked, partitions: [] })
      assert.equal(placed.size + unplaced.size, 0)
    }),
    { numRuns: 50 },
  )
})

describe('without a rule', () => {
  check('everything has a place while there is room', whole, 200, asked => {
    const { placed } = place({ ...asked, rules: noRules, pins: new Map(), members: asked.members.map(free) })
    assert.equal(placed.size, asked.partitions.length)
  })
})

function free(member: PlacedMember): PlacedMember {
  return { ...member, maxPartitions: null, maxCost: Number.POSITIVE_INFINITY }
}
