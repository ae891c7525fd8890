import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RosterMember } from '../../lib/roster/member.ts'
import { best, hash } from '../../lib/roster/rendezvous.ts'
import { roster } from '../../lib/roster/roster.ts'

/** `a b*2 c<3`: members a, b of weight 2, c with maxPartitions 3. */
function crew(text: string): RosterMember[] {
  return text
    .split(' ')
    .filter(Boolean)
    .map(word => {
      const [, instance, weight, most] = /^([^*<]+)(?:\*([\d.]+))?(?:<(\d+))?$/.exec(word) as RegExpExecArray
      return {
        instance: instance as string,
        weight: Number(weight ?? 1),
        maxPartitions: most === undefined ? null : Number(most),
      }
    })
}

/** `a:1,2 b:3`: who holds what. */
function holders(text: string): Map<string, string> {
  const lists = text.split(' ').filter(Boolean)
  return new Map(
    lists.flatMap(list => {
      const [instance, ids] = list.split(':') as [string, string]
      return ids.split(',').map(id => [id, instance] as const)
    }),
  )
}

/** The other way round. Sorted, so that results compare as text. */
function show(assignment: ReadonlyMap<string, string>): string {
  const lists = Map.groupBy(assignment.keys(), id => assignment.get(id) as string)
  const words = [...lists].map(([instance, ids]) => `${instance}:${ids.sort((a, b) => Number(a) - Number(b))}`)
  return words.sort().join(' ')
}

function loads(assignment: ReadonlyMap<string, string>): Record<string, number> {
  const lists = Map.groupBy(assignment.values(), instance => instance)
  return Object.fromEntries([...lists].map(([instance, all]) => [instance, all.length]))
}

const range = (count: number) => Array.from({ length: count }, (_, at) => String(at + 1))
const nobody = new Map<string, string>()

// name, members, partitions 1 to n, holders, assignment
const cases: [string, string, number, string, string][] = [
  ['nothing to assign', 'a b', 0, '', ''],
  ['nobody to assign it to', '', 3, '', ''],
  ['nobody is left: what the dead held stays unassigned', '', 3, 'a:1,2,3', ''],
  ['one member takes all', 'a', 3, '', 'a:1,2,3'],
  ['nothing changed, nothing moves', 'a b', 4, 'a:1,4 b:2,3', 'a:1,4 b:2,3'],
  ['a lead of one is balance', 'a b', 5, 'a:1,2,3 b:4,5', 'a:1,2,3 b:4,5'],
  ['so is the same lead of the other', 'a b', 5, 'a:1,2 b:3,4,5', 'a:1,2 b:3,4,5'],
  ['more partitions than members leave nobody idle', 'a b c', 3, 'a:1,2,3', 'a:3 b:1 c:2'],
  ['fewer partitions than members stay where they are', 'a b c', 2, 'b:1 c:2', 'b:1 c:2'],
  ['a new partition goes to the lesser load', 'a b', 4, 'a:1,2 b:3', 'a:1,2 b:3,4'],
  ['what a leaver held is all that moves', 'a b', 6, 'a:1,2 b:3,4 gone:5,6', 'a:1,2,5 b:3,4,6'],
  ['a removed partition leaves a gap, and one move fills it', 'a b', 4, 'a:1,2,3 b:4,5,6', 'a:1,3 b:2,4'],
  ['held partitions outside the list do not count as load', 'a b', 2, 'a:1,7,8,9 b:2', 'a:1 b:2'],
  ['a holder that is no member is nobody', 'a', 2, 'x:1 y:2', 'a:1,2'],
  ['weights count', 'a*1 b*2', 3, '', 'a:3 b:1,2'],
  ['a cap is kept', 'a<1 b', 4, 'a:1,2 b:3,4', 'a:1 b:2,3,4'],
  ['what fits nowhere is absent', 'a<1 b<1', 3, 'a:1 b:2', 'a:1 b:2'],
  ['a lowered cap gives back the worst-scored only', 'a<2', 3, 'a:1,2,3', 'a:1,3'],
  ['a cap of 0 is given nothing, and keeps nothing', 'a<0 b', 2, 'a:1,2', 'b:1,2'],
  ['the unassigned wait rather than push others out', 'a<1 b<1', 4, 'a:3 b:4', 'a:3 b:4'],
]
for (const [name, members, count, present, expected] of cases) {
  test(name, () => assert.equal(show(roster(crew(members), range(count), holders(present))), expected))
}

// Other values here are another rule: a new version of the roster, for instances of two rules never agree. See versions.ts.
test('the rule that every version begins with gives this roster', () => {
  const first = roster(crew('n1:s n2:s*2 n3:s<2'), range(12), nobody)
  assert.equal(show(first), 'n1:s:1,4,10 n2:s:2,3,5,7,8,9,12 n3:s:6,11')
  assert.equal(
    show(roster(crew('n1:s n2:s*2 n3:s<2 n4:s'), range(14), first)),
    'n1:s:1,4,10 n2:s:2,3,5,8,9,12 n3:s:6,11 n4:s:7,13,14',
  )
})

test('a lone partition is not always on the first member', () => {
  const found = range(50).map(id => roster(crew('a b c d'), [id], nobody).get(id))
  assert.equal(new Set(found).size, 4)
})

test('the heir of a lone partition is not always the first member', () => {
  const found = range(50).map(id => roster(crew('a b c d'), [id], new Map([[id, 'gone']])).get(id))
  assert.equal(new Set(found).size, 4)
})

test('from scratch most partitions stand where plain rendezvous hashing puts them', () => {
  const members = crew(
    range(20)
      .map(id => `node-${id}`)
      .join(' '),
  )
  const ids = range(1000)
  const balanced = roster(members, ids, nobody)
  const alone = ids.filter(id => roster(members, [id], nobody).get(id) === balanced.get(id))
  assert.ok(alone.length > 900, `${alone.length} of 1000`)
})

test('two rosters from scratch differ little when one member joins', () => {
  const members = crew(
    range(21)
      .map(id => `node-${id}`)
      .join(' '),
  )
  const ids = range(1000)
  const before = roster(members.slice(1), ids, nobody)
  const after = roster(members, ids, nobody)
  const moved = ids.filter(id => before.get(id) !== after.get(id)).length
  assert.ok(moved < 200, `${moved} of 1000`)
})

test('the one that joins is given the worst-scored of the others', () => {
  const before = roster(crew('a b'), range(30), nobody)
  const after = roster(crew('a b c'), range(30), before)
  assert.deepEqual(loads(after), { a: 10, b: 10, c: 10 })
  const again = roster(crew('a b'), range(30), after)
  assert.deepEqual(loads(again), { a: 15, b: 15 })
})

test('a partition given twice counts once', () => {
  const twice = [...range(4), ...range(4)]
  assert.equal(show(roster(crew('a b'), twice, holders('a:1,2'))), 'a:1,2 b:3,4')
})

test('names out of prototypes are only names', () => {
  const members = crew('__proto__ constructor')
  const ids = ['__proto__', 'constructor', 'toString', 'undefined']
  const assignment = roster(members, ids, new Map([['__proto__', 'constructor']]))
  assert.equal(assignment.get('__proto__'), 'constructor')
  assert.deepEqual([...assignment.keys()].sort(), ids.toSorted())
})

test('nothing of the input is changed', () => {
  const members = Object.freeze(crew('b a'))
  const ids = Object.freeze(['3', '1', '2'])
  const present = holders('a:3,2,1')
  roster(members, ids, present)
  assert.deepEqual([...present], [...holders('a:3,2,1')])
})

test('partitions with the same score: the first by name stays', () => {
  const [first, second] = ['job-1iux7r2j', 'job-1j6mtu1r']
  assert.equal(hash(first as string), hash(second as string))
  const ids = [first, second] as string[]
  for (const list of [ids, ids.toReversed()]) {
    assert.deepEqual([...roster(crew('a<1'), list, nobody).keys()], [first])
    assert.deepEqual([...roster(crew('a<1'), list, new Map(list.map(id => [id, 'a']))).keys()], [first])
  }
})

test('partitions with the same score that meet in a later round: the first by name is taken', () => {
  // full gives up the one and turns away the other: both ask b, which has room for one.
  const members = crew('full<0 b<1')
  assert.equal(
    best(
      hash('job-1iux7r2j'),
      members.map(one => hash(one.instance)),
    ),
    0,
  )
  const assignment = roster(members, ['job-1iux7r2j', 'job-1j6mtu1r'], holders('full:job-1j6mtu1r'))
  assert.deepEqual([...assignment], [['job-1iux7r2j', 'b']])
})

test('members with the same score: the first by name wins', () => {
  const names = ['node-4kc9eqw', 'node-ay81cc2o']
  assert.equal(hash(names[0] as string), hash(names[1] as string))
  const members = crew(names.join(' '))
  for (const list of [members, members.toReversed()]) {
    assert.equal(roster(list, ['1'], nobody).get('1'), names[0])
  }
})

test('100 members and 10,000 partitions: a join moves 99, a leave 100', () => {
  const members = crew(
    range(101)
      .map(id => `node-${id}:orders`)
      .join(' '),
  )
  const ids = range(10_000)
  const before = roster(members.slice(1), ids, nobody)
  const moved = (after: Map<string, string>) => ids.filter(id => before.get(id) !== after.get(id)).length
  assert.equal(moved(roster(members, ids, before)), 99)
  assert.equal(moved(roster(members.slice(2), ids, before)), 100)
})
