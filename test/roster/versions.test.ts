import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { rosterVersion } from '../../lib/keys/member.ts'
import { assign } from '../../lib/roster/assignment.ts'
import type { Rule } from '../../lib/roster/rule.ts'
import { agreedVersion, versions } from '../../lib/roster/versions.ts'
import { clusterOf, locks, memberOne } from '../fixtures/cluster.ts'

type Some = Parameters<typeof assign>[0]

/** Numbers that look random, and are the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** A cluster of any kind: weights, caps, drains, free and held locks, held partitions, cool-downs. */
function some(seed: number, roster: number): Some {
  const any = numbers(seed)
  const members = Array.from({ length: 1 + any(6) }, (_, at) =>
    memberOne(`n${at}:svc`, {
      roster,
      weight: [1, 1, 1, 2, 0.5][any(5)] as number,
      maxPartitions: any(4) === 0 ? any(8) : null,
      absence: any(8) === 0 ? 'drained' : null,
    }),
  )
  const name = () => `n${any(members.length + 1)}:svc`
  const ids = Array.from({ length: any(30) }, (_, at) => String(at))
  const kinds = [locks.held, locks.unclean, () => locks.clean(), () => locks.clean({ next: name() })]
  const few = (chance: number) => ids.filter(() => any(chance) === 0)
  return clusterOf({
    members,
    partitions: new Set(ids),
    locks: new Map(few(2).map(id => [id, (kinds[any(4)] as typeof locks.held)(name())])),
    settings: { drained: [], held: any(3) === 0 ? few(6) : [], epoch: 0 },
    coolDowns: new Map(few(5).map(id => [id, { instance: name(), until: 1, why: '', moves: [] }])),
  })
}

function digestOf(version: number): string {
  const sum = createHash('sha256')
  for (let seed = 1; seed <= 3000; seed++)
    sum.update(`${JSON.stringify([...assign(some(seed, version)).placed].sort())}\n`)
  return sum.digest('hex').slice(0, 16)
}

// What each version computed when it was released, of 3000 clusters. These values never change: a version is added.
const released = ['5dc7b6e057d169cb', '051949bb496765eb', '051949bb496765eb', '051949bb496765eb']

describe('each version of the roster', () => {
  it('is here for good, and has its line in this test', () => {
    assert.equal(versions.length, released.length)
    assert.equal(rosterVersion, released.length)
  })

  for (const [at, digest] of released.entries()) {
    it(`computes what it always has: ${at + 1}`, () => assert.equal(digestOf(at + 1), digest))
  }
})

describe('the version that all compute', () => {
  const rows: [why: string, said: number[], version: number][] = [
    ['the lowest that anybody says', [2, 1, 2], 1],
    ['what all say', [2, 2], 2],
    ['never one that is not known here', [3, 4], 2],
    ['the highest, where nobody says any', [], 2],
  ]
  for (const [why, said, version] of rows) it(`is ${why}`, () => assert.equal(agreedVersion(said, 2), version))

  /** Everything on the first member by name: no two versions could differ more. */
  const first: Rule = {
    name: 'first',
    place: (_, { members, partitions }) => {
      const [lowest] = members.map(({ instance }) => instance).sort()
      const placed = new Map(lowest === undefined ? [] : partitions.map(id => [id, lowest]))
      return { placed, unplaced: new Map(lowest === undefined ? partitions.map(id => [id, 'nobody']) : []) }
    },
  }
  const known = [...versions.slice(0, 1), [first]]

  it('is the first as long as one member says 1, whatever the others can', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const old = some(seed, 1)
      const mixed = { ...old, rosters: new Map([...old.rosters.keys()].map((one, at) => [one, at === 0 ? 1 : 2])) }
      assert.deepEqual(assign(mixed, known), assign(old))
    }
  })

  it('is the second once all say 2', () => {
    const members = ['a:svc', 'b:svc'].map(name => memberOne(name, { roster: 2 }))
    assert.deepEqual([...new Set(assign(clusterOf({ members }), known).placed.values())], ['a:svc'])
  })
})

it('version 1 moves what it has exchanged once more, which version 2 does not', () => {
  const members = [0, 1, 2, 3, 4, 5].map(at => memberOne(`m${at}`))
  const coolDown = (instance: string) => ({ instance, until: 1, why: '', moves: [] })
  const loads = (roster: number) => {
    const { placed } = assign(
      clusterOf({
        members: members.map(member => ({ ...member, roster })),
        partitions: new Set(Array.from({ length: 30 }, (_, id) => String(id))),
        coolDowns: new Map([
          ['6', coolDown('m1')],
          ['4', coolDown('m5')],
        ]),
      }),
    )
    return [...Map.groupBy(placed.values(), instance => instance).values()].map(all => all.length).sort()
  }
  assert.deepEqual(loads(1), [4, 5, 5, 5, 5, 6])
  assert.deepEqual(loads(2), [5, 5, 5, 5, 5, 5])
})
