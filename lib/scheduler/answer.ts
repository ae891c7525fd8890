/** What a scheduler answers: its shape as a JSON Schema. Whether it may be followed: see check.ts. */
import * as z from 'zod/mini'
import { plainVersion, versionWords } from '../base/version.ts'
import { mostIds } from '../definition/definition.ts'
import { about, durationText, fields, give, giveUnseen } from '../definition/fields.ts'

/** The most bytes of an answer, and of the state in it. */
export const mostAnswer = 512 * 1024
export const mostState = 64 * 1024
const mostVariables = 64 * 1024
const mostLines = 100
const mostLine = 500

const entryWanted = 'an instance, or {"instance": null, "reason": "why"}'
const reasonWanted = give(`a reason of 1 to ${mostLine} characters`)
const countWanted = give(`a whole number from 1 to ${mostIds}`)
const versionWanted = give(versionWords)
const lineWanted = give(`a line of at most ${mostLine} characters`)
const nextWanted = 'a duration from "1s" to "24h"'

const line = () => z.string(lineWanted).check(z.maxLength(mostLine, lineWanted))
const values = (wanted: string) => z.record(z.string(), z.unknown(), giveUnseen(wanted))

const entry = z.union(
  [
    z.string(),
    z.strictObject({
      instance: z.null(),
      reason: z.string(reasonWanted).check(z.minLength(1, reasonWanted), z.maxLength(mostLine, reasonWanted)),
    }),
  ],
  give(entryWanted),
)

export const answer = fields({
  assignment: about(
    z.record(z.string(), entry, giveUnseen(`an object: for each partition ${entryWanted}`)),
    'Who is to have which partition. What is left out follows the ordinary roster.',
    { '7': 'node1:consumer', '8': { instance: null, reason: 'no licence is free' } },
  ),
  count: z.optional(
    about(
      z.int(countWanted).check(z.gte(1, countWanted), z.lte(mostIds, countWanted)),
      'How many partitions there are to be, numbered from 0; only where the definition has "count" or "range" from 0.',
    ),
  ),
  version: z.optional(
    about(
      z.string(versionWanted).check(z.regex(plainVersion, versionWanted)),
      'The version in force from now on: what is started gets it, and what runs goes on. Only where input.settings.version.fixed is null.',
      '1.4.2',
    ),
  ),
  variables: z.optional(
    about(
      fields({
        service: z.optional(about(values('an object'), 'For all instances.', { zone: 'a' })),
        instance: z.optional(
          about(
            z.record(z.string(), values('an object'), giveUnseen('an object: for each instance an object')),
            'For single instances.',
          ),
        ),
      }).check(
        z.refine(of => Buffer.byteLength(JSON.stringify(of)) <= mostVariables, {
          error: `takes more than ${mostVariables} bytes as JSON`,
        }),
      ),
      'Values for rendered files.',
    ),
  ),
  state: z.optional(
    about(
      z.unknown().check(
        z.refine(of => Buffer.byteLength(JSON.stringify(of) ?? '') <= mostState, {
          error: `takes more than ${mostState} bytes as JSON`,
        }),
      ),
      'Given back at the next run, so that the scheduler can be a pure function. Left out: the last one stays.',
    ),
  ),
  log: z.optional(
    about(
      z
        .array(line(), giveUnseen('a list of lines'))
        .check(z.maxLength(mostLines, giveUnseen(`at most ${mostLines} lines`))),
      'Lines for people: why it is so.',
      ['7 is alone on node1: it is the largest'],
    ),
  ),
  next: z.optional(
    about(
      durationText(1000, nextWanted).check(z.regex(/^(?!(\d{3,}h|2[5-9]h|[3-9]\dh))/, give(nextWanted))),
      'When to run again; as the definition says when left out.',
      '10s',
    ),
  ),
  answers: z.optional(
    about(
      z.record(z.string(), line(), giveUnseen('an object: for each action that waits a line')),
      'What became of actions, by their ids. An action stands in the input until it is here.',
    ),
  ),
}).check(
  z.meta({ title: 'watchbill scheduler answer', description: 'What a scheduler prints, or its module returns.' }),
)

export type Answer = z.output<typeof answer>
