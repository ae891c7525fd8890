/**
 * A definition file as users write it. zod/mini rather than zod: as files they load in the same time, but bundled it is
 * a quarter of the size and loads three times faster, and what loads a definition is started very often.
 */
import * as z from 'zod/mini'
import { checks, hooks } from './check-fields.ts'
import { isTitle, pers, restarts, signals } from './definition.ts'
import {
  about,
  command,
  commandOrChoice,
  durationText,
  environment,
  fields,
  give,
  giveUnseen,
  passableText,
  serviceName,
} from './fields.ts'
import { partitions } from './partition-fields.ts'

const weightWanted = give('a number above 0 and up to 1000000')
const mostWanted = give('a whole number of at least 1, or null for no limit')
const atOnceWanted = give('a whole number of at least 1')
const signalWanted = give('a signal that ends a process, such as SIGTERM, SIGINT or SIGKILL')
const cwdWanted = give('an absolute path')
const portWanted = give('a port, 1 to 65535')
const readyWanted = give('"confirm", or "check:" and the id of one of the checks')
const titleWanted = give('1 to 200 characters, none of which is a control character')
const ofOnePartition = ['{partition}', '{token}']

const run = fields({
  command: about(
    commandOrChoice(),
    'The program and its arguments; there is no shell. {partition}, {token}, {node}, {instance} and {service} are ' +
      'replaced inside an argument; {version} is kept for roll-outs, and empty. Or several, of which the document of ' +
      'each partition chooses one.',
    ['./consume', '--partition', '{partition}'],
    { choose: '/role', of: { web: ['./web'], worker: ['./work'] } },
  ),
  cwd: z.optional(
    about(
      passableText().check(z.regex(/^\//, cwdWanted)),
      'The working directory, an absolute path; "/" when it is left out.',
      '/srv/consumer',
    ),
  ),
  env: about(
    z._default(environment(), {}),
    'Environment variables to add. The same placeholders are replaced in their values.',
    { LOG_LEVEL: 'info', CONSUMER_ID: '{service}-{partition}' },
  ),
  restart: about(
    z._default(z.enum(restarts, give(`one of ${restarts.join(', ')}`)), 'always'),
    'When a process that ended by itself is started again.',
  ),
  per: about(
    z._default(z.enum(pers, give(`one of ${pers.join(', ')}`)), 'partition'),
    'One process for each partition, or one for all that an instance has: it reads in a file which these are, and says in ' +
      'another what it has stopped.',
  ),
}).check(
  z.refine(({ per, command }) => per === 'partition' || Array.isArray(command), {
    path: ['command', 'choose'],
    error: 'is for a process per partition, and run.per is "instance"; give one command',
  }),
  z.refine(({ per, command }) => per === 'partition' || !Array.isArray(command) || !command.some(isOfOnePartition), {
    path: ['command'],
    error: `names ${ofOnePartition.join(' or ')}, which one process for all has none of; it reads them in $WATCHBILL_ASSIGNMENT`,
  }),
)

function isOfOnePartition(argument: string): boolean {
  return ofOnePartition.some(placeholder => argument.includes(placeholder))
}

const stop = z.prefault(
  fields({
    signal: about(z._default(z.enum(signals, signalWanted), 'SIGTERM'), 'The signal that asks a process to stop.'),
    grace: about(
      z._default(durationText(0), '3s'),
      'How long a process may take to stop before SIGKILL. An unclean partition waits this much longer elsewhere.',
      '3s',
      '500ms',
    ),
    command: z.optional(
      about(
        command(),
        'Run first to stop a process, with the placeholders of run.command; the signal and SIGKILL follow if it does ' +
          'not help.',
        ['./drain', '{partition}'],
      ),
    ),
    gone: z.optional(
      about(
        command(),
        'For work that lives outside of the process, such as a container: exit 0 alone means that it is gone. Without that ' +
          'the partition is neither given back nor started.',
        ['./container-gone', '{partition}'],
      ),
    ),
  }),
  {},
)

const starts = fields({
  atOnce: about(
    z.int(atOnceWanted).check(z.gte(1, atOnceWanted)),
    'So many processes of this instance may be on their way up at a time; the others wait their turn, with their locks held.',
    20,
  ),
})

const guard = z.prefault(
  fields({
    // Consul runs no check more often than every second (seen on 1.8.7: "check has interval below minimum"), and says so
    // only in its own log: a shorter interval would break the promise that the lease is renewed twice.
    interval: about(
      z._default(durationText(1000, 'a duration of at least "1s"'), '2s'),
      'How often the guard check renews the lease, "1s" to "6s".',
      '2s',
    ),
  }),
  {},
)

export const schema = fields({
  $schema: z.optional(about(z.string(give('a string')), 'Where this JSON Schema is, for your editor.')),
  name: about(serviceName(), 'The Consul service name.', 'kafka-consumer'),
  id: z.optional(
    about(serviceName(), 'The Consul service id, for two instances on one agent; the name when it is left out.'),
  ),
  title: z.optional(
    about(
      z.string(titleWanted).check(z.refine(isTitle, titleWanted)),
      'What people call the service, spaces included: status and the events of hooks show it beside the name.',
      'Kafka Consumer',
    ),
  ),
  tags: about(
    z._default(
      z.array(passableText().check(z.minLength(1, give('a tag that is not empty'))), giveUnseen('an array of strings')),
      [],
    ),
    'Tags for the Consul service.',
    ['consumer'],
  ),
  weight: about(
    z._default(z.number(weightWanted).check(z.gt(0, weightWanted), z.lte(1_000_000, weightWanted)), 1),
    'The share of the partitions that this instance takes, in relation to the others.',
  ),
  maxPartitions: about(
    z._default(z.nullable(z.int(mostWanted).check(z.gte(1, mostWanted))), null),
    'The most partitions this instance takes at a time; null for no limit.',
  ),
  partitions: about(partitions(), 'The partitions of the work: in the definition, or where they are fetched from.', {
    range: [0, 15],
  }),
  run: about(run, 'What runs, once for each partition or once for all of them.'),
  stop: about(stop, 'How a process is stopped.'),
  starts: z.optional(
    about(starts, 'How many processes are started at a time, as after a takeover; any number when it is left out.'),
  ),
  checks: about(z._default(checks(), []), 'Health checks, of every partition for itself.', [
    { name: 'progress', ttl: '5m', onFailure: ['./page', '{partition}'] },
  ]),
  ready: z.optional(
    about(
      z.string(readyWanted).check(z.regex(/^(confirm|check:.+)$/s, readyWanted)),
      'A partition counts as running only once it says so: "confirm", by writing the file $WATCHBILL_READY; or ' +
        '"check:<name>", when that check has passed.',
      'check:progress',
    ),
  ),
  hooks: about(
    z._default(hooks(), {}),
    'Commands that are run when something happens, with the event as JSON on stdin.',
    {
      failed: ['./page', '{partition}'],
    },
  ),
  register: z.optional(
    about(
      fields({ port: about(z.int(portWanted).check(z.gte(1, portWanted), z.lte(65_535, portWanted)), 'The port.') }),
      'Each partition that runs stands in the catalog: DNS answers <partition>.<name>-partition.service.consul.',
      { port: 9000 },
    ),
  ),
  guard: about(guard, 'The script check that renews the lease.'),
  lease: about(
    z._default(durationText(1), '10s'),
    'How long processes may run after the last proof that the locks are held; at least 2 × guard.interval + 1.5 s.',
    '10s',
  ),
}).check(
  z.refine(({ run, starts }) => starts === undefined || run.per === 'partition', {
    path: ['starts', 'atOnce'],
    error: 'is for a process per partition, and run.per is "instance"; remove it',
  }),
  z.superRefine(({ ready, checks }, found) => {
    const ids = checks.map(({ id, name }) => id ?? name)
    if (ready?.startsWith('check:') && !ids.includes(ready.slice('check:'.length))) {
      const there = ids.length > 0 ? `there are ${ids.join(', ')}` : 'there are no checks'
      found.addIssue({ code: 'custom', path: ['ready'], message: `names no check of this definition; ${there}` })
    }
  }),
  z.meta({ title: 'watchbill definition', description: 'One service whose partitions watchbill keeps running.' }),
)

/** A definition file whose shape is right, with its defaults. */
export type DefinitionFile = z.output<typeof schema>
