/** `assign` in a definition file: a program or a module that decides who has what. What it means: docs/own-rules.md. */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { triggers } from './assign.ts'
import { isTitle } from './definition.ts'
import { about, command, durationText, fields, give, giveUnseen, passableText } from './fields.ts'

const pathWanted = give('an absolute path')
const triggersWanted = giveUnseen(`a list of ${triggers.join(', ')}`)
const userWanted = give('the name of a user')
const titleWanted = give('1 to 200 characters, none of which is a control character')
const nameWanted = 'a name of 1 to 64 letters, digits, _ and -'
/** The longest run, ms: the program that runs it has a deadline of its own. */
const longestTimeout = 300_000
const mostActions = 50

const name = () => z.string().check(z.regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/))
const title = () => z.string(titleWanted).check(z.refine(isTitle, titleWanted))

function named<Value extends z.ZodMiniType>(value: Value, wanted: string) {
  const wrong = giveUnseen(wanted)
  return z.record(name(), value, {
    error: issue => (issue.code === 'invalid_key' ? `is no name for this; use ${nameWanted}` : wrong.error(issue)),
  })
}

const action = fields({
  title: about(title(), 'What it does, for people.', 'Make a partition the first'),
  arguments: about(
    z._default(named(title(), 'an object: for each argument what it is'), {}),
    'What people must give with it: for each argument what it is.',
    { partition: 'which partition' },
  ),
})

/** `assign` of a definition file. */
export function assign() {
  return fields({
    command: z.optional(
      about(
        command(),
        'A program that reads the state of the service as JSON on stdin and prints who is to have what. No shell.',
        ['./assign.py'],
      ),
    ),
    module: z.optional(
      about(
        passableText().check(z.regex(/^\//, pathWanted)),
        'A JavaScript or TypeScript module that exports assign(input), run in its own process each time.',
        '/srv/assign.ts',
      ),
    ),
    every: about(z._default(durationText(1000, 'a duration of at least "1s"'), '30s'), 'How often it is run.', '30s'),
    timeout: about(
      z._default(
        durationText(100).check(
          z.refine(text => (duration(text) ?? 0) <= longestTimeout, give('a duration of at most "5m"')),
        ),
        '5s',
      ),
      'How long it may take. After that it is killed with everything it started.',
      '5s',
    ),
    on: about(
      z._default(z.array(z.enum(triggers, triggersWanted), triggersWanted), ['members', 'partitions', 'settings']),
      'What else makes it run, after 200 ms without another change.',
      ['members', 'partitions', 'settings', 'figures'],
    ),
    user: z.optional(
      about(
        passableText().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}\$?$/, userWanted)),
        "The user that it runs as, if the agent runs as root. Without it, it can read what the agent's user can: the token too.",
        'nobody',
      ),
    ),
    giveUpAfter: about(
      z._default(durationText(1000), '5m'),
      'Without a good answer for this long the plan is withdrawn, and the ordinary roster decides.',
      '5m',
    ),
    actions: about(
      z._default(
        named(action, 'an object of actions').check(
          z.refine(all => Object.keys(all).length <= mostActions, { error: `has more than ${mostActions} actions` }),
        ),
        {},
      ),
      'What people may ask of it with "watchbill ask".',
      { promote: { title: 'Make a partition the first', arguments: { partition: 'which partition' } } },
    ),
  }).check(
    z.refine(({ command, module }) => (command === undefined) !== (module === undefined), {
      error: 'has to have either "command" or "module"',
    }),
  )
}
