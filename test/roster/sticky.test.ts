import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hash, score } from '../../lib/roster/rendezvous.ts'
import { ask, distinct, fit, present } from '../../lib/roster/sticky.ts'

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
  assert.deepEqual(present(['1', '2', '3', '4', '5'], ['a', 'b'], holders), {
    held: [['2'], ['1', '5']],
    pool: ['3', '4'],
  })
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
      assert.deepEqual(
        held,
        ['a', 'b'].map(instance => partitions.filter(id => holders.get(id) === instance)),
      )
      assert.deepEqual(
        pool,
        partitions.filter(id => !['a', 'b'].includes(holders.get(id) ?? '')),
      )
    }),
  )
})

test('ask: every partition asks the best-scored of those with room', () => {
  const hashes = ['a', 'b', 'c'].map(hash)
  const partitions = Array.from({ length: 60 }, (_, at) => String(at))
  const [a, b, c] = ask(partitions, hashes, [0, 2]) as [string[], string[], string[]]
  assert.deepEqual(b, [])
  assert.equal(a.length + c.length, 60)
  const points = (id: string, at: number) => score(hash(id), hashes[at] as number)
  assert.ok(a.every(id => points(id, 0) > points(id, 2)))
  assert.ok(c.every(id => points(id, 2) > points(id, 0)))
})

test('ask: where nobody has room, nobody is asked', () => {
  assert.deepEqual(ask(['1'], [hash('a')], []), [[]])
})

test('fit: the best-scored stay, of equals the first by name', () => {
  // Two pairs of ids with the same hash, so that equals are met at the edge.
  const equals = ['job-1iux7r2j', 'job-1j6mtu1r', 'job-4073d20', 'job-6xhg131d']
  fc.assert(
    fc.property(sortedNames, fc.string(), fc.nat(40), fc.boolean(), (names, name, room, withEquals) => {
      const list = distinct(withEquals ? [...names, ...equals] : names)
      const instance = hash(name)
      const points = (id: string) => score(hash(id), instance)
      const ranked = list.toSorted((a, b) => points(b) - points(a) || (a < b ? -1 : 1))
      const { stay, go } = fit(list, instance, room)
      assert.deepEqual(stay.toSorted(), ranked.slice(0, room).sort())
      assert.deepEqual(go.toSorted(), ranked.slice(room).sort())
    }),
    { numRuns: 1000 },
  )
})
