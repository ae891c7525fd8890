/** The field `versions` of a definition file: which versions may be rolled out, and how a machine gets ready for one. */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { PatternError, pattern } from '../base/pattern.ts'
import { isVersion, versionWords } from '../base/version.ts'
import { about, command, durationText, fields, give } from './fields.ts'
import { allows } from './version.ts'

const patternWanted = give('a regular expression that begins with ^ and ends with $')
const keepWanted = give('a whole number from 0 to 100')
const firstWanted = give(versionWords)
const timeoutWanted = give('a duration from "1s" to "1h"')

function patternFault(source: string): string | null {
  try {
    pattern(source)
    return null
  } catch (error) {
    if (error instanceof PatternError) return error.message
    throw error
  }
}

/** A command for the whole machine: no partition is at hand. */
function ofMachine() {
  return command().check(
    z.superRefine((args, found) => {
      const at = args.findIndex(argument => /\{(partition|token)\}/.test(argument))
      if (at < 0) return
      const message = 'names {partition} or {token}, but it is run once for an instance; {version} and {node} are there'
      found.addIssue({ code: 'custom', path: [at], message })
    }),
  )
}

export function versions() {
  return fields({
    pattern: about(
      z.string(patternWanted).check(
        z.superRefine((source, found) => {
          const message = patternFault(source)
          if (message !== null) found.addIssue({ code: 'custom', path: [], message })
        }),
      ),
      'What a version looks like: ^, characters, classes such as [a-z] and \\d, groups, |, ?, *, +, {2,5}, $. It is matched ' +
        'without backtracking. Whatever it says, a version is ' +
        `${versionWords}.`,
      '^\\d+\\.\\d+\\.\\d+$',
    ),
    first: z.optional(
      about(
        z.string(firstWanted).check(z.refine(isVersion, firstWanted)),
        'The version until one is rolled out. Without it, processes wait for the first watchbill roll.',
        '1.0.0',
      ),
    ),
    prepare: z.optional(
      about(
        ofMachine(),
        'Run on every instance before a version is started anywhere, such as to fetch an image. It may run again.',
        ['docker', 'pull', 'registry/consumer:{version}'],
      ),
    ),
    clean: z.optional(
      about(ofMachine(), 'Run for a prepared version that nobody uses any more, beyond the last "keep" ones.', [
        'docker',
        'rmi',
        'registry/consumer:{version}',
      ]),
    ),
    keep: about(
      z._default(z.int(keepWanted).check(z.gte(0, keepWanted), z.lte(100, keepWanted)), 2),
      'How many prepared versions that nobody uses are kept.',
    ),
    timeout: about(
      z._default(durationText(1000).check(z.refine(text => (duration(text) ?? 0) <= 3_600_000, timeoutWanted)), '10m'),
      'How long one run of prepare or clean may take.',
    ),
  }).check(
    z.refine(
      ({ pattern: source, first }) =>
        first === undefined || patternFault(source) !== null || allows({ pattern: source }, first),
      {
        path: ['first'],
        error: 'does not fit the pattern; give one that does',
      },
    ),
    z.refine(({ prepare, clean }) => clean === undefined || prepare !== undefined, {
      path: ['clean'],
      error: 'goes with prepare: what is not prepared has nothing to clean',
    }),
  )
}
