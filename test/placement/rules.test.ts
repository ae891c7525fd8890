import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { glob } from '../../lib/base/glob.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { noRules, type Rules, rulesIn } from '../../lib/definition/rules.ts'
import type { PlacedMember } from '../../lib/roster/member.ts'
import { type Asked, place } from '../../lib/roster/place.ts'
import { decimals, factors } from '../../lib/roster/placing/factors.ts'
import { refusalOf } from '../../lib/roster/rules/attribute.ts'
import { noMember } from '../../lib/roster/rules/balance.ts'
import { smallest } from '../definition/samples.ts'

const member = (name: string, meta: Record<string, string> = {}, over: Partial<PlacedMember> = {}): PlacedMember => ({
  instance: `${name}:svc`,
  node: name,
  weight: 1,
  maxPartitions: null,
  offers: { meta, datacenter: 'dc1', tags: ['ssd'] },
  ...over,
})

const asked = (rules: Partial<Rules>, over: Partial<Asked> = {}): Asked => ({
  members: ['a', 'b', 'c'].map(name => member(name, { zone: name, cores: '4' })),
  partitions: ['0', '1', '2', '3', '4', '5'],
  holders: new Map(),
  avoided: new Map(),
  rules: { ...noRules, ...rules },
  pins: new Map(),
  traits: new Map(),
  ...over,
})

/** instance -> its partitions */
const loads = (given: Asked) => {
  const { placed } = place(given)
  const groups = Map.groupBy([...placed.keys()].sort(), id => placed.get(id) as string)
  return Object.fromEntries([...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, ids]) => [name, ids]))
}
const counts = (given: Asked) => Object.values(loads(given)).map(ids => ids.length)
const why = (given: Asked) => Object.fromEntries(place(given).unplaced)

describe('a pattern', () => {
  const rows: [pattern: string, fits: string[], not: string[]][] = [
    ['a', ['a'], ['', 'ab', 'ba']],
    ['*', ['', 'a', 'a*b'], []],
    ['a*', ['a', 'ab'], ['ba', '']],
    ['*a', ['a', 'ba'], ['ab']],
    ['a*a', ['aa', 'aba'], ['a', 'ab']],
    ['a*b*c', ['abc', 'a-b-c', 'abbc'], ['acb', 'ab', 'ac']],
    ['*ab*ab*', ['abab', 'xabxabx'], ['ab', 'aab']],
    ['a.b', ['a.b'], ['axb']],
  ]
  for (const [pattern, fits, not] of rows) {
    it(`${pattern} fits what it should`, () => {
      const test = glob(pattern)
      for (const id of fits) assert.ok(test(id), id)
      for (const id of not) assert.ok(!test(id), id)
    })
  }

  it('that was made to be slow is not', () => {
    const test = glob(`${'*a'.repeat(250)}*b`)
    const begun = performance.now()
    for (let time = 0; time < 1000; time++) assert.ok(!test('a'.repeat(500)))
    assert.ok(performance.now() - begun < 1000)
  })
})

describe('what a rule asks of an attribute', () => {
  const of = (wanted: object) =>
    refusalOf(member('a', { zone: 'b', cores: '4', odd: 'x' }), wanted as never)?.one ?? null
  const rows: [wanted: object, refused: string | null][] = [
    [{ attribute: 'meta.zone', in: ['b'] }, null],
    [{ attribute: 'meta.zone', in: ['a', 'c'] }, 'has another meta.zone than a or c'],
    [{ attribute: 'meta.gpu', in: ['true'] }, 'lacks meta.gpu'],
    [{ attribute: 'meta.zone', not: ['b'] }, 'has meta.zone b'],
    [{ attribute: 'meta.gpu', not: ['true'] }, null],
    [{ attribute: 'meta.cores', atLeast: 4 }, null],
    [{ attribute: 'meta.cores', atLeast: 5 }, 'has less meta.cores than 5'],
    [{ attribute: 'meta.odd', atLeast: 0 }, 'has less meta.odd than 0'],
    [{ attribute: 'meta.gpu', atLeast: 0 }, 'lacks meta.gpu'],
    [{ attribute: 'tag', in: ['ssd'] }, null],
    [{ attribute: 'tag', in: ['gpu', 'tpu'] }, 'lacks the tag gpu or tpu'],
    [{ attribute: 'tag', not: ['ssd'] }, 'has the tag ssd'],
    [{ attribute: 'node', in: ['a'] }, null],
    [{ attribute: 'instance', not: ['a:svc'] }, 'has instance a:svc'],
    [{ attribute: 'datacenter', in: ['dc2'] }, 'has another datacenter than dc2'],
    [{ attribute: 'meta.__proto__', in: ['x'] }, 'lacks meta.__proto__'],
  ]
  for (const [wanted, refused] of rows) it(JSON.stringify(wanted), () => assert.equal(of(wanted), refused))
})

describe('rules', () => {
  it('only: the partitions of a pattern run only where it is true', () => {
    const only = [{ for: '1', attribute: 'meta.zone', in: ['c'] }]
    assert.ok(loads(asked({ only }))['c:svc']?.includes('1'))
    assert.deepEqual(counts(asked({ only })), [2, 2, 2])
  })

  it('only: by a field of the document', () => {
    const only = [{ for: { field: '/size', in: ['large'] }, attribute: 'node', in: ['b'] }]
    const traits = new Map(
      ['0', '1', '2', '3', '4', '5'].map(id => [id, { '/size': Number(id) < 2 ? 'large' : 'small' }]),
    )
    assert.deepEqual(loads(asked({ only }, { traits }))['b:svc'], ['0', '1'])
  })

  it('spread: as even as it can be over values, and balanced within', () => {
    const members = ['a', 'b', 'c', 'd'].map(name => member(name, { zone: name < 'c' ? 'x' : name }))
    const spread = [{ over: 'meta.zone' }]
    assert.deepEqual(counts(asked({ spread }, { members })), [1, 1, 2, 2])
  })

  it('spread: by shares; a value without one gets only what the others cannot take', () => {
    const spread = [{ over: 'meta.zone', shares: { a: 2, b: 1 } }]
    assert.deepEqual(loads(asked({ spread }))['c:svc'], undefined)
    assert.deepEqual(counts(asked({ spread })), [4, 2])
    const small = ['a', 'b', 'c'].map(name => member(name, { zone: name }, { maxPartitions: name === 'a' ? 1 : 3 }))
    assert.deepEqual(counts(asked({ spread }, { members: small })), [1, 3, 2])
  })

  it('apart: no two of a group on one value, and the rest says why', () => {
    const apart = [{ over: 'node' }]
    const { placed, unplaced } = place(asked({ apart }))
    assert.equal(new Set(placed.values()).size, 3)
    assert.deepEqual([...new Set(unplaced.values())], ['3 members have another of its group (apart by node)'])
  })

  it('apart: by a field, each value is a group', () => {
    const traits = new Map(['0', '1', '2', '3', '4', '5'].map(id => [id, { '/tenant': Number(id) % 3 }]))
    const { placed } = place(asked({ apart: [{ over: 'node', by: '/tenant' }] }, { traits }))
    for (const id of ['0', '1', '2']) assert.notEqual(placed.get(id), placed.get(String(Number(id) + 3)))
  })

  it('cost: members are balanced by it; maxCost holds', () => {
    const cost = [{ for: '0', is: 5 }]
    const [heavy] = Object.values(loads(asked({ cost }))).filter(ids => ids.includes('0'))
    assert.deepEqual(heavy, ['0'])
    const members = ['a', 'b'].map(name => member(name, {}, { maxCost: 3 }))
    const given = asked({ cost }, { members })
    assert.deepEqual(counts(given), [3, 2])
    assert.deepEqual(why(given), { 0: '2 members have no room for its cost' })
  })

  it('cost: from the document; what is no cost counts as 1', () => {
    const traits = new Map<string, Record<string, string | number>>(
      ['0', '1', '2', '3', '4', '5'].map(id => [
        id,
        { '/cost': ({ 0: 5, 1: -1, 2: 1e308, 3: 'x' } as Record<string, string | number>)[id] ?? 1 },
      ]),
    )
    const members = ['a', 'b'].map(name => member(name))
    const found = loads(asked({ cost: [{ field: '/cost' }] }, { members, traits }))
    assert.deepEqual(
      Object.values(found)
        .map(ids => ids.length)
        .sort(),
      [1, 5],
    )
  })

  it('prefer: decides where nothing else does, and nothing moves for it', () => {
    const prefer = [{ attribute: 'meta.zone', in: ['c'], weight: 5 }]
    const partitions = ['0']
    assert.deepEqual(loads(asked({ prefer }, { partitions })), { 'c:svc': ['0'] })
    assert.deepEqual(loads(asked({ prefer }, { partitions, holders: new Map([['0', 'a:svc']]) })), { 'a:svc': ['0'] })
  })

  it('a pin holds while its instance takes part, and overrides no hard rule', () => {
    const pins = new Map([['0', 'c:svc']])
    const holders = new Map([['0', 'a:svc']])
    assert.ok(loads(asked({}, { pins, holders }))['c:svc']?.includes('0'))
    assert.equal(place(asked({}, { pins: new Map([['0', 'z:svc']]) })).placed.size, 6)
    const only = [{ for: '0', attribute: 'meta.zone', in: ['a'] }]
    assert.deepEqual(why(asked({ only }, { pins })), {
      0: '2 members have another meta.zone than a; 1 is not c:svc, to which it is pinned',
    })
  })

  it('a cool-down keeps a partition away where another may have it', () => {
    const avoided = new Map([['0', 'a:svc']])
    const holders = new Map([['0', 'a:svc']])
    assert.ok(!loads(asked({}, { avoided, holders }))['a:svc']?.includes('0'))
    const members = [member('a')]
    assert.equal(place(asked({}, { avoided, holders, members })).placed.get('0'), 'a:svc')
  })

  it('that contradict each other leave the rest running', () => {
    const only = [
      { for: '0', attribute: 'meta.zone', in: ['a'] },
      { for: '0', attribute: 'meta.zone', in: ['b'] },
    ]
    const { placed, unplaced } = place(asked({ only }))
    assert.equal(placed.size, 5)
    assert.equal(unplaced.get('0'), '2 members have another meta.zone than a; 1 has another meta.zone than b')
  })

  it('say why: each member counts once, by the first rule that refuses it', () => {
    const only = [{ attribute: 'meta.gpu', in: ['true'] }]
    const members = [...'abcd'].map(name => member(name))
    members.push(...[...'ef'].map(name => member(name, { gpu: 'true' }, { maxPartitions: 0 })))
    const found = place(asked({ only }, { members, partitions: ['0'] }), 1)
    assert.deepEqual(
      [...found.unplaced.values()],
      ['4 members lack meta.gpu; 2 are full; 1 runs a release without these rules'],
    )
    assert.deepEqual(why(asked({ only }, { members: [], partitions: ['0'] })), { 0: noMember })
  })

  it('wait for a document that has not been read: it stays where it is, and nobody new gets it', () => {
    const only = [{ for: { field: '/size', in: ['large'] }, attribute: 'node', in: ['b'] }]
    const given = asked({ only }, { partitions: ['0', '1'], holders: new Map([['0', 'a:svc']]) })
    assert.deepEqual(loads(given), { 'a:svc': ['0'] })
    assert.deepEqual(why(given), { 1: '3 members wait until its document has been read' })
  })
})

describe('rules that anybody may have written', () => {
  const good = { only: [{ attribute: 'meta.gpu', in: ['true'] }], cost: [{ field: '/cost' }] }
  it('are taken as they are when they are right', () => assert.deepEqual(rulesIn(good), { ...noRules, ...good }))
  const many = Array.from({ length: 10_000 }, () => ({ attribute: 'node', in: ['a'] }))
  const rows: [what: string, value: unknown, problem: string][] = [
    ['no object', [], '"rules" has to be an object'],
    ['another kind', { always: [] }, 'it has "always", which is no kind of rule'],
    ['no list', { only: {} }, '"only" has to be a list'],
    ['10,000 rules', { only: many }, '"rules" takes more than 65536 characters'],
    ['101 rules', { only: many.slice(0, 101) }, 'it has more than 100 rules'],
    ['a cost below 0', { cost: [{ is: -1 }] }, '"cost[0]" is not right'],
    ['a cost of 1e308', { cost: [{ is: 1e308 }] }, '"cost[0]" is not right'],
    ['a cost that is a text', { cost: [{ is: '5' }] }, '"cost[0]" is not right'],
    ['a long pattern', { cost: [{ for: '*a'.repeat(300), is: 1 }] }, '"cost[0]" is not right'],
    ['an attribute that nobody has', { only: [{ attribute: 'weight', in: ['1'] }] }, '"only[0]" is not right'],
    ['a spread over tags', { spread: [{ over: 'tag' }] }, '"spread[0]" is not right'],
    ['a share of 0', { spread: [{ over: 'node', shares: { a: 0 } }] }, '"spread[0]" is not right'],
    ['a preference of 1e9', { prefer: [{ attribute: 'node', in: ['a'], weight: 1e9 }] }, '"prefer[0]" is not right'],
    ['two tests', { only: [{ attribute: 'node', in: ['a'], atLeast: 1 }] }, '"only[0]" is not right'],
    ['a selector that is none', { apart: [{ over: 'node', for: 7 }] }, '"apart[0]" is not right'],
  ]
  for (const [what, value, problem] of rows) it(`are refused with ${what}`, () => assert.equal(rulesIn(value), problem))
})

describe('whole numbers in place of fractions', () => {
  it('are exact where they can be, and small', () => {
    assert.deepEqual(factors([1, 2, 4]), [4, 2, 1])
    assert.deepEqual(factors([0.1, 0.3]), [3, 1])
    assert.deepEqual(factors([100, 200]), [2, 1])
    assert.deepEqual(
      [decimals([1, 2]), decimals([0.5]), decimals([0.25, 0.001]), decimals([1 / 3])],
      [1, 10, 1000, null],
    )
  })
  it('are such also of shares that are next to nothing', () => {
    for (const shares of [
      [1e-7, 1],
      [9.8e-7, 0.001],
      [5e-324, 1e6],
      [1, 1e-300],
    ]) {
      const found = factors(shares)
      assert.ok(
        found.every(one => Number.isSafeInteger(one) && one > 0),
        `${shares}: ${found}`,
      )
      assert.equal(Math.max(...found), found[shares.indexOf(Math.min(...shares))])
    }
  })

  it('keep a value without a share out while the smallest share has room', () => {
    const members = [member('a', { zone: 'b' }), member('b', { zone: 'a' })]
    const spread = [{ over: 'meta.zone', shares: { b: 0.001 } }]
    assert.deepEqual(Object.keys(loads(asked({ spread }, { members }))), ['a:svc'])
  })

  it('are whole and above 0 for any weights', () => {
    for (const factor of factors([1e6, 1e-6, 1 / 3, Math.PI])) assert.ok(Number.isSafeInteger(factor) && factor > 0)
  })
})

describe('placement in a definition', () => {
  const load = async (placement: unknown) =>
    (await parseDefinition(JSON.stringify({ ...smallest, placement }), 'consumer.json')).placement
  const node = { attribute: 'node', is: 'a' }

  it('becomes the rules that stand in Consul, which are taken as they are', async () => {
    const proposed = await load({
      only: [
        { ...node, for: { field: '/size', in: [1, true] } },
        { attribute: 'meta.cores', atLeast: 8 },
      ],
      prefer: [{ attribute: 'tag', not: 'slow' }],
      spread: [{ over: 'meta.zone', shares: { a: 2 } }],
      apart: [{ over: 'node', by: '/tenant' }],
      cost: [{ is: 5, for: 'big-*' }, { field: '/cost' }],
    })
    assert.deepEqual(proposed?.rules, {
      only: [
        { for: { field: '/size', in: ['1', 'true'] }, attribute: 'node', in: ['a'] },
        { attribute: 'meta.cores', atLeast: 8 },
      ],
      prefer: [{ attribute: 'tag', not: ['slow'], weight: 1 }],
      spread: [{ over: 'meta.zone', shares: { a: 2 } }],
      apart: [{ over: 'node', by: '/tenant' }],
      cost: [{ for: 'big-*', is: 5 }, { field: '/cost' }],
    })
    assert.deepEqual(rulesIn(proposed?.rules), proposed?.rules)
    assert.notEqual(proposed?.digest, (await load({}))?.digest)
    assert.equal(await load(undefined), undefined)
  })

  const many = Array.from({ length: 10_000 }, () => node)
  const rows: [placement: unknown, problem: RegExp][] = [
    [[], /placement: cannot be an empty array/],
    [{ always: [] }, /placement.always: is an unknown field/],
    [{ only: [{ attribute: 'node' }] }, /placement.only\[0\].* asks nothing; give one of is, in, not, atLeast/],
    [{ only: [{ ...node, atLeast: 1 }] }, /has is and atLeast/],
    [{ only: [{ attribute: 'weight', is: 1 }] }, /placement.only\[0\].attribute: cannot be "weight"/],
    [{ only: many }, /placement: has more than 100 rules/],
    [{ cost: [{ is: -1 }] }, /placement.cost\[0\].is: cannot be -1; give a number from 0.001 to 1000000/],
    [{ cost: [{ is: 1e308 }] }, /placement.cost\[0\].is: cannot be 1e\+308/],
    [{ cost: [{ is: '5' }] }, /placement.cost\[0\].is: cannot be "5"/],
    [{ cost: [{}] }, /has to have either "is" or "field"/],
    [{ spread: [{ over: 'tag' }] }, /placement.spread\[0\].over: cannot be "tag"/],
    [{ spread: [{ over: 'node', shares: {} }] }, /has to name 1 to 100 values/],
    [{ prefer: [{ ...node, weight: 0.5 }] }, /placement.prefer\[0\].weight: cannot be 0.5/],
    [{ apart: [{ over: 'node', by: 'tenant' }] }, /placement.apart\[0\].by: cannot be "tenant"; give a JSON pointer/],
    [{ only: [{ ...node, for: 7 }] }, /placement.only\[0\].for: cannot be 7; give a pattern/],
    [{ only: Array.from({ length: 90 }, () => ({ attribute: 'node', in: Array(90).fill('x'.repeat(40)) })) }, /32768/],
  ]
  for (const [placement, problem] of rows) {
    it(`is refused in one line: ${JSON.stringify(placement).slice(0, 60)}`, () =>
      assert.rejects(load(placement), error => {
        assert.match((error as Error).message, problem)
        return !(error as Error).message.includes('\n')
      }))
  }
})
