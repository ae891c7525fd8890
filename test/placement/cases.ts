/** Placements of any kind, for properties: few members and partitions, and rules that often contradict each other. */
import fc from 'fast-check'
import type { Rules, Selector } from '../../lib/definition/rules.ts'
import type { PlacedMember } from '../../lib/roster/member.ts'
import type { Asked } from '../../lib/roster/place.ts'

const selectors: fc.Arbitrary<Selector | undefined> = fc.option(
  fc.oneof(
    fc.constantFrom('0*', 'p*', '*1', 'p1'),
    fc.record({ field: fc.constant('/size'), in: fc.constantFrom(['s'], ['s', 'm']) }),
  ),
  { nil: undefined },
)
const withFor = <T extends object>(rule: fc.Arbitrary<T>) =>
  fc.tuple(selectors, rule).map(([one, rest]) => (one === undefined ? rest : { for: one, ...rest }))

const wanted = fc.oneof(
  fc.record({ attribute: fc.constant('meta.zone'), in: fc.constantFrom(['a'], ['a', 'b']) }),
  fc.record({ attribute: fc.constant('meta.gpu'), in: fc.constant(['true']) }),
  fc.record({ attribute: fc.constant('node'), not: fc.constantFrom(['n0'], ['n1', 'n2']) }),
  fc.record({ attribute: fc.constant('meta.cores'), atLeast: fc.constantFrom(4, 8) }),
  fc.record({ attribute: fc.constant('tag'), in: fc.constant(['ssd']) }),
)

const memberAt = (at: number) =>
  fc.record({
    instance: fc.constant(`n${at}:svc`),
    node: fc.constant(`n${at}`),
    weight: fc.constantFrom(1, 1, 2, 4),
    maxPartitions: fc.option(fc.nat(4), { freq: 4 }),
    maxCost: fc.option(fc.integer({ min: 1, max: 15 }), { freq: 3, nil: undefined }),
    offers: fc.record({
      meta: fc.record({
        zone: fc.constantFrom('a', 'b', 'c'),
        ...{ gpu: fc.constantFrom('true', 'false'), cores: fc.constantFrom('2', '4', '16') },
      }),
      datacenter: fc.constant('dc1'),
      tags: fc.constantFrom([], ['ssd']),
    }),
  })

export interface Sizes {
  readonly members: number
  readonly partitions: number
  /** Costs, groups that overlap, spread: what makes the search NP-hard. */
  readonly hard: boolean
}

export function cases({ members, partitions, hard }: Sizes): fc.Arbitrary<Asked> {
  const crew = fc
    .integer({ min: 1, max: members })
    .chain(size => fc.tuple(...Array.from({ length: size }, (_, at) => memberAt(at))))
    .map(list =>
      list.map(({ maxCost, ...member }): PlacedMember => ({ ...member, ...(maxCost !== undefined && { maxCost }) })),
    )
  const ids = Array.from({ length: partitions }, (_, at) => `${at % 2 ? 'p' : '0'}${at}`)
  const name = fc.integer({ min: 0, max: members }).map(at => `n${at}:svc`)
  const few = <T>(rule: fc.Arbitrary<T>) => fc.array(rule, { maxLength: 2 })
  const disjoint = fc.constantFrom<Rules['apart']>(
    [],
    [{ for: '0*', over: 'node' }],
    [{ over: 'node', by: '/tenant' }],
    [
      { for: '0*', over: 'node' },
      { for: 'p*', over: 'node' },
    ],
  )
  const overlapping = few(
    withFor(
      fc.oneof(fc.record({ over: fc.constantFrom('node', 'meta.zone') }), fc.constant({ over: 'node', by: '/tenant' })),
    ),
  )
  const rules = fc.record({
    only: few(withFor(wanted)),
    prefer: few(
      withFor(fc.tuple(wanted, fc.integer({ min: -5, max: 20 })).map(([one, weight]) => ({ ...one, weight }))),
    ),
    spread: hard ? few(withFor(fc.record({ over: fc.constantFrom('meta.zone', 'meta.gpu') }))) : fc.constant([]),
    apart: hard ? overlapping : disjoint,
    cost: hard
      ? few(withFor(fc.oneof(fc.record({ is: fc.integer({ min: 1, max: 9 }) }), fc.constant({ field: '/cost' }))))
      : fc.constant([]),
  }) as fc.Arbitrary<Rules>
  const trait = fc.record({
    '/size': fc.constantFrom('s', 'm', 'l'),
    '/tenant': fc.constantFrom('x', 'y', 'z'),
    '/cost': fc.integer({ min: 1, max: 7 }),
  })
  const perId = <T>(of: fc.Arbitrary<T>) =>
    fc.tuple(...ids.map(() => of)).map(all => new Map(ids.map((id, at) => [id, all[at] as T])))
  const some = (freq: number) =>
    perId(fc.oneof({ weight: freq, arbitrary: name }, { weight: 4 - freq, arbitrary: fc.constant(null) })).map(
      map => new Map([...map].flatMap(([id, who]) => (who === null ? [] : [[id, who] as const]))),
    )
  return fc.record({
    members: crew,
    partitions: fc.constant(ids),
    holders: some(3),
    avoided: fc.oneof(
      { weight: 3, arbitrary: fc.constant(new Map<string, string>()) },
      { weight: 1, arbitrary: some(1) },
    ),
    rules,
    pins: fc.oneof({ weight: 2, arbitrary: fc.constant(new Map<string, string>()) }, { weight: 1, arbitrary: some(1) }),
    traits: perId(trait),
  })
}
