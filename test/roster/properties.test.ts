/** What holds for every roster. The quotas and the least movement are computed here by other means than in lib. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RosterMember } from '../../lib/roster/member.ts'
import { roster } from '../../lib/roster/roster.ts'

type Case = { members: RosterMember[]; partitions: string[]; holders: Map<string, string> }

const weights = fc.oneof(
  { weight: 3, arbitrary: fc.constant(1) },
  { weight: 2, arbitrary: fc.constantFrom(1, 2, 4) },
  { weight: 1, arbitrary: fc.constantFrom(0.1, 0.2, 0.3, 0.7, 1.5, 10, 1000) },
)
const caps = fc.option(fc.nat(12), { freq: 3 })
const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'node-1:s', 'node-10:s', 'Ü:ß')
const ids = fc.oneof(fc.nat(40).map(String), fc.constantFrom('é', '😀', 'x/y', '__proto__', 'a', 'ab', 'abc'))

/** Members are unique; partitions may repeat; holders may be strangers, and hold what is not in the list. */
function cases(weight: fc.Arbitrary<number>, maxPartitions: fc.Arbitrary<number | null>): fc.Arbitrary<Case> {
  const member = fc.record({ instance: names, weight, maxPartitions })
  return fc.record({
    members: fc.uniqueArray(member, { maxLength: 8, selector: one => one.instance }),
    partitions: fc.array(ids, { maxLength: 60, size: 'max' }),
    holders: fc.array(fc.tuple(ids, names), { maxLength: 60, size: 'max' }).map(pairs => new Map(pairs)),
  })
}
const any = cases(weights, caps)
const equal = cases(fc.constant(1), fc.constant(null))

function holds<T>(name: string, arbitrary: fc.Arbitrary<T>, property: (value: T) => void) {
  test(name, () => fc.assert(fc.property(arbitrary, property), { numRuns: 500 }))
}

function run({ members, partitions, holders }: Case) {
  return roster(members, partitions, holders)
}

function count(assignment: ReadonlyMap<string, string>, instance: string): number {
  return [...assignment.values()].filter(one => one === instance).length
}

/** What is held, by members, of partitions that are listed. */
function valid({ members, partitions, holders }: Case): Map<string, string> {
  return new Map(
    [...holders].filter(([id, holder]) => partitions.includes(id) && members.some(one => one.instance === holder)),
  )
}

/** Water-filling by bisection: everybody's cap is reached, or the level at which all is handed out. */
function quotasOf({ members, partitions }: Case): number[] {
  const total = new Set(partitions).size
  const filled = (level: number) => members.map(one => Math.min(one.maxPartitions ?? Infinity, level * one.weight))
  const sum = (level: number) => filled(level).reduce((all, part) => all + part, 0)
  let [low, high] = [0, 1e4]
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2
    if (sum(middle) < total) low = middle
    else high = middle
  }
  return filled(high).map(quota => (Math.abs(quota - Math.round(quota)) < 1e-7 ? Math.round(quota) : quota))
}

/** The fewest moves of any roster in which each load is its quota, rounded up or down: all of them are tried. */
function leastMoves(input: Case): number {
  const quota = quotasOf(input)
  const present = valid(input)
  const held = input.members.map(one => count(present, one.instance))
  const total = Math.round(quota.reduce((all, part) => all + part, 0))
  let least = Infinity
  for (let choice = 0; choice < 2 ** quota.length; choice++) {
    const target = quota.map((part, at) => ((choice >> at) & 1 ? Math.ceil(part) : Math.floor(part)))
    if (target.reduce((all, part) => all + part, 0) !== total) continue
    const moves = held.reduce((all, part, at) => all + Math.max(0, part - (target[at] as number)), 0)
    least = Math.min(least, moves)
  }
  return least
}

function moves(input: Case, after: ReadonlyMap<string, string>): number {
  return [...valid(input)].filter(([id, holder]) => after.get(id) !== holder).length
}

holds('only members are assigned, and only what is listed', any, input => {
  for (const [id, instance] of run(input)) {
    assert.ok(input.partitions.includes(id))
    assert.ok(input.members.some(one => one.instance === instance))
  }
})

holds('without caps everything is assigned, and loads differ by at most 1', equal, input => {
  const assignment = run(input)
  const loads = input.members.map(one => count(assignment, one.instance))
  if (loads.length === 0) return assert.equal(assignment.size, 0)
  assert.equal(assignment.size, new Set(input.partitions).size)
  assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `${loads}`)
})

holds('each load is the quota, rounded up or down', any, input => {
  const assignment = run(input)
  for (const [at, quota] of quotasOf(input).entries()) {
    const load = count(assignment, input.members[at]?.instance as string)
    assert.ok(load === Math.floor(quota) || load === Math.ceil(quota), `load ${load}, quota ${quota}`)
  }
})

holds('weights 1:2:4 are within 1 of the quota', cases(fc.constantFrom(1, 2, 4), fc.constant(null)), input => {
  const assignment = run(input)
  const weight = input.members.reduce((all, one) => all + one.weight, 0)
  for (const one of input.members) {
    const quota = (new Set(input.partitions).size * one.weight) / weight
    assert.ok(Math.abs(count(assignment, one.instance) - quota) < 1)
  }
})

holds('no cap is exceeded, and nothing is left over while there is room', any, input => {
  const assignment = run(input)
  for (const { instance, maxPartitions } of input.members) {
    assert.ok(count(assignment, instance) <= (maxPartitions ?? Infinity))
  }
  const room = input.members.reduce((all, one) => all + (one.maxPartitions ?? Infinity), 0)
  assert.equal(assignment.size, Math.min(new Set(input.partitions).size, room))
})

holds('the fewest possible partitions leave a member that holds them', any, input => {
  assert.equal(moves(input, run(input)), leastMoves(input))
})

holds('whoever gives up partitions gives up the worst-scored, and is given none', any, input => {
  const assignment = run(input)
  const present = valid(input)
  for (const { instance, maxPartitions: _, ...rest } of input.members) {
    const held = [...present.keys()].filter(id => present.get(id) === instance)
    const kept = held.filter(id => assignment.get(id) === instance)
    if (kept.length === held.length) continue
    assert.equal(count(assignment, instance), kept.length)
    // Alone and with a cap, a member keeps its best-scored: the same ones must stay here.
    const alone = [{ ...rest, instance, maxPartitions: kept.length }]
    const best = roster(alone, held, new Map(held.map(id => [id, instance])))
    assert.deepEqual([...best.keys()].sort(), kept.sort())
  }
})

holds('a roster is its own roster', any, input => {
  const first = run(input)
  assert.deepEqual(roster(input.members, input.partitions, first), first)
})

const shuffled = any.chain(input =>
  fc.record({
    input: fc.constant(input),
    members: fc.shuffledSubarray(input.members, { minLength: input.members.length }),
    partitions: fc.shuffledSubarray(input.partitions, { minLength: input.partitions.length }),
    again: fc.subarray(input.partitions),
    holders: fc.shuffledSubarray([...input.holders], { minLength: input.holders.size }),
  }),
)
holds('the order of the input and repetitions change nothing', shuffled, ({ input, ...other }) => {
  const partitions = [...other.partitions, ...other.again]
  assert.deepEqual(roster(other.members, partitions, new Map(other.holders)), run(input))
})

holds('what strangers hold, and what is not listed, changes nothing', any, input => {
  assert.deepEqual(roster(input.members, input.partitions, valid(input)), run(input))
})

holds('a join moves exactly the floor of the new share', equal, input => {
  const before = run(input)
  const members = [...input.members, { instance: 'new', weight: 1, maxPartitions: null }]
  const after = roster(members, input.partitions, before)
  const moved = [...before].filter(([id, holder]) => after.get(id) !== holder)
  const share = Math.floor(new Set(input.partitions).size / members.length)
  assert.equal(moved.length, input.members.length ? share : 0)
  assert.ok(moved.every(([id]) => after.get(id) === 'new'))
})

holds('a leave moves exactly what the leaver held', equal, input => {
  const before = run(input)
  const [leaver, ...members] = input.members
  const after = roster(members, input.partitions, before)
  const moved = [...before].filter(([id, holder]) => after.get(id) !== holder)
  assert.ok(moved.every(([, holder]) => holder === leaver?.instance || members.length === 0))
  if (leaver && members.length) assert.equal(moved.length, count(before, leaver.instance))
})

holds(
  'partitions that come or go move others only for balance',
  fc.tuple(any, fc.array(ids)),
  ([input, partitions]) => {
    const next = { ...input, partitions, holders: run(input) }
    assert.equal(moves(next, run(next)), leastMoves(next))
  },
)
