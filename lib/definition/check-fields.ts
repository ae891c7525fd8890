/** The checks and hooks of a definition file. */
import * as z from 'zod/mini'
import { quantity } from '../base/quantity.ts'
import { builtIns } from './checks.ts'
import { type HookEvent, hookEvents } from './definition.ts'
import {
  about,
  command,
  commandShape,
  durationText,
  fields,
  give,
  giveUnseen,
  passableText,
  refuseInCode,
  serviceName,
} from './fields.ts'

const kindWanted = 'one of "ttl", "command" with its "interval", or "metric" with "above", "below" or "unchangedFor"'
const boundWanted = give('a number, or one with a unit such as "500MB" or "2GiB"')
const metricWanted = giveUnseen('the name of a figure, such as "memory", or one of the program\'s own')
const countWanted = give('a whole number of at least 1')
const reactionWanted = giveUnseen(
  `a command (an array of strings), ${builtIns.map(name => `"${name}"`).join(', ')}, or a list of these`,
)

function builtIn() {
  return z.enum(builtIns, give(builtIns.map(name => `"${name}"`).join(', ')))
}

function reaction(when: string) {
  const list = z.array(z.union([builtIn(), commandShape()])).check(z.minLength(1))
  return z.optional(
    about(
      z
        .union([builtIn(), commandShape(), list], reactionWanted)
        .check(z.superRefine((given, found) => refuseInReaction(given, found))),
      `What happens ${when}: a command, which gets the check as JSON on stdin; or "restart", "release" (another ` +
        'instance takes the partition), "drain" (this instance gives up everything); or a list of these.',
      ['./page', '--partition', '{partition}'],
    ),
  )
}

/** A list of strings is a command. */
function refuseInReaction(given: string | readonly (string | string[])[], found: Parameters<typeof refuseInCode>[1]) {
  if (typeof given === 'string') return
  if (given.every(part => typeof part === 'string')) return refuseInCode(given, found)
  for (const [index, part] of given.entries()) if (typeof part !== 'string') refuseInCode(part, found, index)
}

function count(otherwise: number, description: string) {
  return about(z._default(z.int(countWanted).check(z.gte(1, countWanted)), otherwise), description)
}

function bound() {
  const text = z.string(boundWanted).check(z.refine(value => quantity(value) !== null, boundWanted))
  return z.union([z.number(boundWanted), text], boundWanted)
}

const check = fields({
  name: about(serviceName(), 'The name of the check, shown by Consul.', 'progress'),
  id: z.optional(about(serviceName(), 'The id of the check, different for each check; its name when left out.')),
  notes: about(z._default(passableText(), ''), 'For people, shown by Consul.'),
  tags: about(
    z._default(z.array(passableText().check(z.minLength(1)), giveUnseen('an array of strings')), []),
    "Tags of the partition's service in Consul.",
  ),
  ttl: z.optional(
    about(
      durationText(1000, 'a duration of at least "1s"'),
      'The process must pass the check at least this often.',
      '5m',
    ),
  ),
  command: z.optional(
    about(command(), 'Run at each interval. Exit 0 means passing, 1 warning, any other critical.', [
      './alive',
      '{partition}',
    ]),
  ),
  metric: z.optional(
    about(
      passableText().check(z.regex(/^[a-zA-Z_:][^\n]{0,199}$/, metricWanted)),
      'A figure: cpu (processors), memory (bytes), files, threads, processes, uptime (seconds), restarts; or one that ' +
        'the program says in $WATCHBILL_METRICS, with its labels, or the sum of all with that name.',
      'memory',
      'consumer_lag{topic="orders"}',
    ),
  ),
  above: z.optional(about(bound(), 'The check is critical while the figure is above this.', '500MB')),
  below: z.optional(about(bound(), 'The check is critical while the figure is below this.', 1)),
  unchangedFor: z.optional(
    about(durationText(1000), 'The check is critical once the figure has not changed for so long.', '5m'),
  ),
  interval: about(
    z._default(durationText(1000, 'a duration of at least "1s"'), '10s'),
    'How often the command runs, or the figure is looked at, "1s" to hours.',
  ),
  timeout: z.optional(
    about(durationText(100), 'How long the command may take; when left out, its interval, but at most 10 s.', '5s'),
  ),
  failuresBeforeCritical: count(1, 'After this many failures in a row the check is critical.'),
  for: about(z._default(durationText(0), '0s'), 'How long a status must last before watchbill reacts to it.'),
  coolDown: about(
    z._default(durationText(1000), '10m'),
    'How long this instance does not take back a partition that "release" or "drain" gave up.',
  ),
  movesPerHour: count(4, 'How many times an hour "release" may move one partition; after that it stays.'),
  onFailure: reaction('when it becomes critical'),
  onWarning: reaction('when it becomes a warning'),
  onPass: reaction('when it passes again'),
}).check(
  z.refine(({ ttl, command, metric }) => [ttl, command, metric].filter(one => one !== undefined).length === 1, {
    error: `has more than one or none; give ${kindWanted}`,
  }),
  z.refine(({ metric, above, below, unchangedFor }) => {
    return (metric === undefined) === (above === undefined && below === undefined && unchangedFor === undefined)
  }, `has a metric without a bound, or a bound without a metric; give ${kindWanted}`),
)

/** The id of watchbill's own check, which says whether the process runs: lib/checks/catalog.ts. */
const reserved = 'runs'

function twice(id: string): string {
  return `${JSON.stringify(id)} is there twice; give one of them another id`
}

/** The health checks that every partition has. */
export function checks() {
  return z.array(check, giveUnseen('an array of checks')).check(
    z.superRefine((all, found) => {
      const seen = new Set<string>()
      for (const [index, { id, name }] of all.entries()) {
        const own = id ?? name
        const folded = own.toLowerCase() // Consul ignores case here
        const message =
          folded === reserved ? `cannot be ${reserved}, a check of watchbill's own; give another` : twice(own)
        if (folded === reserved || seen.has(folded)) {
          found.addIssue({ code: 'custom', path: [index, id === undefined ? 'name' : 'id'], message })
        }
        seen.add(folded)
      }
    }),
  )
}

const when: Readonly<Record<HookEvent, string>> = {
  acquired: 'This instance has taken the partition.',
  started: 'Its process was started.',
  exited: 'Its process ended by itself, with Code and Signal.',
  failed: 'Its process cannot start, or crashes again and again.',
  releasing: 'The partition is about to be stopped and handed over; at most 5 s.',
  released: 'It was given back, or is lost.',
  stopFailed: 'The partition does not stop, even after SIGKILL; its lock is kept.',
  joined: 'This instance has joined the cluster, with a new session.',
  left: 'This instance has left the cluster.',
  lost: 'Another instance disappeared; only one of the remaining instances runs this hook.',
  rebalanced: 'Partitions moved to or from this instance.',
  isolated: 'Consul does not answer, the lease is over, and nothing runs here.',
  rejoined: 'Consul answers again.',
  changed: 'The document of a partition that runs here has changed.',
  sourceFailed: 'The partitions cannot be fetched, or the fetched set is refused; the last good set stays.',
  schedulerFailed: 'The scheduler cannot be run, or its answer is refused; the last good plan stays.',
}

/** One optional command for each event. */
export function hooks() {
  return fields(
    Object.fromEntries(
      hookEvents.map(event => [event, z.optional(about(command(), when[event], ['./tell', '{partition}']))]),
    ) as Record<HookEvent, z.ZodMiniOptional<ReturnType<typeof command>>>,
  )
}
