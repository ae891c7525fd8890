/** `placement` in a definition file: where partitions may run. What it means: docs/placement.md. */
import * as z from 'zod/mini'
import { about, fields, give, giveUnseen, pointer } from './fields.ts'
import {
  attributeName,
  highestCost,
  highestPreference,
  lowestCost,
  mostBytesOfRules,
  mostRules,
  mostText,
  mostValues,
  oneValue,
} from './rules.ts'

const valueWanted = give(`a text of at most ${mostText} characters, a number, true or false`)
const costWanted = give(`a number from ${lowestCost} to ${highestCost}`)
const numberWanted = give('a number')
const weightWanted = give(`a whole number from -${highestPreference} to ${highestPreference}`)
const attributes = 'node, instance, datacenter, tag, or meta. and a name'

function value() {
  return z.union([z.string().check(z.maxLength(mostText)), z.number(), z.boolean()], valueWanted)
}

function values() {
  const wanted = giveUnseen(`a list of 1 to ${mostValues} values`)
  return z.array(value(), wanted).check(z.minLength(1, wanted), z.maxLength(mostValues, wanted))
}

const selector = {
  for: z.optional(
    about(
      z.union(
        [
          z.string().check(z.minLength(1), z.maxLength(mostText)),
          fields({
            field: about(pointer(), 'A JSON pointer into the document of a partition.', '/size'),
            in: about(values(), 'The values there of the partitions that the rule is for.', ['large']),
          }),
        ],
        give('a pattern of ids such as "tenant-*", or {"field": "/size", "in": ["large"]}'),
      ),
      'The partitions that the rule is for: a pattern of ids in which * stands for any characters, or a field of their ' +
        'documents; all when left out.',
      'tenant-*',
      { field: '/size', in: ['large'] },
    ),
  ),
}

function attribute(pattern: RegExp, wanted: string) {
  const error = give(wanted)
  return z.string(error).check(z.regex(pattern, error))
}

const wanted = {
  attribute: about(
    attribute(attributeName, `one of ${attributes}`),
    `What is asked of a member: ${attributes}.`,
    'meta.gpu',
  ),
  is: z.optional(about(value(), 'It has this value.', true)),
  in: z.optional(about(values(), 'It has one of these values.', ['a', 'b'])),
  not: z.optional(about(z.union([value(), values()], valueWanted), 'It has none of these values.', 'c')),
  atLeast: z.optional(about(z.number(numberWanted), 'It is a number, and at least this one.', 8)),
}
const tests = ['is', 'in', 'not', 'atLeast'] as const

const oneTest = z.superRefine((rule: Partial<Record<(typeof tests)[number], unknown>>, found) => {
  const there = tests.filter(test => rule[test] !== undefined)
  if (there.length === 1) return
  const what = there.length === 0 ? 'asks nothing' : `has ${there.join(' and ')}`
  found.addIssue({ code: 'custom', path: [], message: `${what}; give one of ${tests.join(', ')}` })
})

const only = fields({ ...selector, ...wanted }).check(oneTest)

const prefer = fields({
  ...selector,
  ...wanted,
  weight: about(
    z._default(
      z.int(weightWanted).check(z.gte(-highestPreference, weightWanted), z.lte(highestPreference, weightWanted)),
      1,
    ),
    'How much such a member is preferred to others; below 0 the others are.',
    10,
  ),
}).check(oneTest)

const over = () =>
  about(
    attribute(oneValue, 'one of node, instance, datacenter, or meta. and a name'),
    'The attribute: node, instance, datacenter, or meta. and a name.',
    'meta.zone',
  )

const shareWanted = give(`a number from 0.001 to ${highestCost}`)
const spread = fields({
  ...selector,
  over: over(),
  shares: z.optional(
    about(
      z
        .record(
          z.string().check(z.maxLength(mostText)),
          z.number(shareWanted).check(z.gte(0.001, shareWanted), z.lte(highestCost, shareWanted)),
          giveUnseen('an object: a share for each value'),
        )
        .check(
          z.refine(shares => Object.keys(shares).length > 0 && Object.keys(shares).length <= mostValues, {
            error: `has to name 1 to ${mostValues} values`,
          }),
        ),
      'The share of each value, relative to the others; equal when left out.',
      { a: 2, b: 1 },
    ),
  ),
})

const apart = fields({
  ...selector,
  over: over(),
  by: z.optional(
    about(
      pointer(),
      'A JSON pointer into the documents: partitions with the same value there are a group; all of the rule when left out.',
      '/tenant',
    ),
  ),
})

const cost = fields({
  ...selector,
  is: z.optional(
    about(z.number(costWanted).check(z.gte(lowestCost, costWanted), z.lte(highestCost, costWanted)), 'The cost.', 5),
  ),
  field: z.optional(about(pointer(), 'A JSON pointer to the cost in the document of a partition.', '/cost')),
}).check(
  z.refine(({ is, field }) => (is === undefined) !== (field === undefined), {
    error: 'has to have either "is" or "field"',
  }),
)

function list<Rule extends z.ZodMiniType>(rule: Rule, description: string) {
  return z.optional(about(z.array(rule, giveUnseen('a list of rules')), description))
}

/** `placement` of a definition file. */
export function placement() {
  return fields({
    only: list(only, 'Hard: only members of which it is true may have the partitions.'),
    prefer: list(prefer, 'Members that are better, where nothing else decides.'),
    spread: list(spread, 'Attributes over whose values the partitions are shared out.'),
    apart: list(apart, 'Hard: of a group, no two on members with the same value of an attribute.'),
    cost: list(cost, 'What partitions weigh; 1 where no rule says it. The first rule that has a number counts.'),
  }).check(
    z.refine(rules => Object.values(rules).flat().length <= mostRules, {
      error: `has more than ${mostRules} rules`,
    }),
    z.refine(rules => JSON.stringify(rules).length <= mostBytesOfRules / 2, {
      error: `takes more than ${mostBytesOfRules / 2} characters as JSON; make it smaller`,
    }),
  )
}

export type PlacementFile = z.output<ReturnType<typeof placement>>
