import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hash, score } from '../../lib/roster/rendezvous.ts'
import { ask, distinct, present, surplus } from '../../lib/roster/sticky.ts'

const sortedNames = fc.uniqueArray(fc.string({ maxLength: 4 }), { maxLength: 30 }).map(names => names.sort())

test('distinct: sorted by name, each once', () => {
  assert.deepEqual(distinct(['b', '10', 'a', 'b', '9', 'a']), ['10', '9', 'a', 'b'])
  assert.deepEqual(distinct(['a', 'b']), ['a', 'b'])
  assert.deepEqual(distinct([]), [])
})

test('present: lists per member, and a pool of what no member holds', () => {
  const holders = new Map([
    ['1', 'b'],
    ['2', 'a'],
    ['3', 'gone'],
    ['9', 'a'],
    ['5', 'b'],
  ])
  const ids = ['1', '2', '3', '4', '5']
  assert.deepEqual(present(ids, ['a', 'b'], holders), { held: [[1], [0, 4]], pool: [2, 3] })
})

test('present: holders in any order say the same', () => {
  const pairs = fc.array(fc.tuple(fc.nat(20).map(String), fc.constantFrom('a', 'b', 'gone')))
  fc.assert(
    fc.property(sortedNames, pairs, (names, list) => {
      const partitions = distinct([...names, '1', '2', '3'])
      const holders = new Map(list)
      const sorted = new Map([...holders].sort(([a], [b]) => (a < b ? -1 : 1)))
      const { held, pool } = present(partitions, ['a', 'b'], holders)
      assert.deepEqual(present(partitions, ['a', 'b'], sorted), { held, pool })
      const named = (list: readonly number[]) => list.map(at => partitions[at])
      const heldBy = (instance: string) => partitions.filter(id => holders.get(id) === instance)
      assert.deepEqual(held.map(named), [heldBy('a'), heldBy('b')])
      assert.deepEqual(
        named(pool),
        partitions.filter(id => !['a', 'b'].includes(holders.get(id) ?? '')),
      )
    }),
  )
})

test('ask: every partition asks the best-scored of those with room', () => {
  const hashes = ['a', 'b', 'c'].map(hash)
  const ids = Array.from({ length: 60 }, (_, at) => String(at))
  const [a = [], b = [], c = []] = ask([...ids.keys()], ids, hashes, [0, 2])
  assert.deepEqual(b, [])
  assert.equal(a.length + c.length, 60)
  const points = (at: number, member: number) => score(hash(ids[at] as string), hashes[member] as number)
  assert.ok(a.every(at => points(at, 0) > points(at, 2)))
  assert.ok(c.every(at => points(at, 2) > points(at, 0)))
})

test('ask: where nobody has room, nobody is asked', () => {
  assert.deepEqual(ask([0], ['1'], [hash('a')], []), [[]])
})

test('surplus: the worst-scored go, of equals the last by name', () => {
  // Two pairs of ids with the same hash, so that equals are met at the edge.
  const equals = ['job-1iux7r2j', 'job-1j6mtu1r', 'job-4073d20', 'job-6xhg131d']
  fc.assert(
    fc.property(sortedNames, fc.string(), fc.nat(40), fc.boolean(), (names, name, room, withEquals) => {
      const ids = distinct(withEquals ? [...names, ...equals] : names)
      const instance = hash(name)
      const points = (id: string) => score(hash(id), instance)
      const ranked = ids.toSorted((a, b) => points(b) - points(a) || (a < b ? -1 : 1))
      const gone = surplus([...ids.keys()], ids, instance, room)
      assert.deepEqual(
        gone.map(at => ids[at]),
        ranked.slice(room).sort(),
      )
    }),
    { numRuns: 1000 },
  )
})
