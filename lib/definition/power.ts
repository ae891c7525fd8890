/**
 * /etc/watchbill/power-off.json: how a machine of this cluster is powered off, and how it is made sure that it is off. The
 * file is root's. Machines without it power nobody off.
 */
import * as z from 'zod/mini'
import { duration } from '../base/clock.ts'
import { Permanent } from '../base/errors.ts'
import { command, durationText, fields, give } from './fields.ts'
import { jsonFault } from './json.ts'
import { firstOf } from './problems.ts'
import { fileShown } from './wording.ts'

export interface PowerOff {
  /** Powers the machine off. `{node}` is its Consul node. */
  readonly command: readonly string[]
  /** Exits 0 only when the machine is off. */
  readonly confirm: readonly string[]
  /** The time limit of each of the two, ms. */
  readonly timeoutMs: number
  /** How long the node must have failed without a break, ms. */
  readonly afterMs: number
  /** How many machines may be powered off in an hour, in the whole cluster. */
  readonly perHour: number
}

/** The limits of what may be said, ms. */
const shortest = 1000
const longestTimeout = 120_000
const longestAfter = 300_000

const perHourWanted = give('a whole number of at least 1')

function between(most: number, example: string) {
  const wanted = `a duration from ${shortest / 1000}s to ${most / 1000}s, such as "${example}"`
  return durationText(shortest, wanted).check(z.refine(text => (duration(text) ?? 0) <= most, give(wanted)))
}

/** The agent's PATH must not choose the program. */
function absoluteCommand() {
  const isAbsolute = ([program = '']: readonly string[]) => program.startsWith('/')
  return command().check(z.refine(isAbsolute, { error: 'must begin with an absolute path', path: [0] }))
}

const schema = fields({
  command: absoluteCommand(),
  confirm: absoluteCommand(),
  timeout: z.optional(between(longestTimeout, '20s')),
  after: z.optional(between(longestAfter, '5s')),
  perHour: z.optional(z.int(perHourWanted).check(z.gte(1, perHourWanted))),
})

/** @throws Permanent that names the file and the field */
export function powerOffIn(text: string, file: string): PowerOff {
  const fault = jsonFault(text)
  if (fault) throw refusedFile(file, `line ${fault.line}, column ${fault.column}: ${fault.problem}`)
  const result = schema.safeParse(JSON.parse(text))
  if (!result.success) throw refusedFile(file, firstOf(result.error.issues))
  const { command, confirm, timeout = '20s', after = '5s', perHour = 2 } = result.data
  return { command, confirm, timeoutMs: duration(timeout) ?? 0, afterMs: duration(after) ?? 0, perHour }
}

export function refusedFile(file: string, problem: string): Permanent {
  return new Permanent(
    `cannot power machines off by ${fileShown(file)}: ${problem}; nobody is powered off until it is mended`,
  )
}
