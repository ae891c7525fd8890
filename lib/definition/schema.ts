/**
 * A definition file as users write it. It uses zod/mini, not zod: bundled it is a quarter of the size and loads three
 * times faster, and programs that load a definition start very often. Unbundled, both load in the same time.
 */
import * as z from 'zod/mini'
import { assign } from './assign-fields.ts'
import { calm } from './calm-fields.ts'
import { checks, hooks } from './check-fields.ts'
import { isTitle, pers, restarts } from './definition.ts'
import {
  about,
  commandOrChoice,
  durationText,
  environment,
  fields,
  give,
  giveUnseen,
  meta,
  passableText,
  refuseInCode,
  serviceName,
} from './fields.ts'
import { isolated, standInFault } from './isolated-fields.ts'
import { limitFields } from './limit-fields.ts'
import { metrics } from './metrics-fields.ts'
import { partitions } from './partition-fields.ts'
import { placement } from './placement-fields.ts'
import { renders, templateVariables } from './render-fields.ts'
import { stop } from './stop-fields.ts'
import { versionPlace } from './version.ts'
import { versions } from './version-fields.ts'

const weightWanted = give('a number above 0 and up to 1000000')
const mostWanted = give('a whole number of at least 1, or null for no limit')
const costWanted = give('a number above 0 and up to 1000000000')
const atOnceWanted = give('a whole number of at least 1')
const cwdWanted = give('an absolute path')
const portWanted = give('a port, 1 to 65535')
const readyWanted = give('"confirm", or "check:" and the id of one of the checks')
const titleWanted = give('1 to 200 characters, none of which is a control character')
const ofOnePartition = ['{partition}', '{token}']

const run = fields({
  command: about(
    commandOrChoice(),
    'The program and its arguments, run without a shell. {partition}, {token}, {node}, {instance} and {service} are ' +
      'replaced inside an argument, and with "versions" also {version}. Or several commands, of which the document of ' +
      'each partition chooses one.',
    ['./consume', '--partition', '{partition}'],
    { choose: '/role', of: { web: ['./web'], worker: ['./work'] } },
  ),
  cwd: z.optional(
    about(
      passableText().check(z.regex(/^\//, cwdWanted)),
      'The working directory, an absolute path; "/" when left out.',
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
    'One process for each partition, or one for all partitions of an instance. Such a process reads its partitions in ' +
      'one file, and writes into another which of them it has stopped.',
  ),
  ...limitFields,
}).check(
  z.refine(({ per, command }) => per === 'partition' || Array.isArray(command), {
    path: ['command', 'choose'],
    error: 'is for a process per partition, and run.per is "instance"; give one command',
  }),
  z.refine(({ per, command }) => per === 'partition' || !Array.isArray(command) || !command.some(isOfOnePartition), {
    path: ['command'],
    error: `names ${ofOnePartition.join(' or ')}, but one process for all partitions has neither; it reads them in the file $WATCHBILL_ASSIGNMENT`,
  }),
  z.refine(({ per, user, group }) => per === 'partition' || (user === undefined && group === undefined), {
    path: ['user'],
    error: 'cannot be with run.per "instance": another user cannot read the file $WATCHBILL_ASSIGNMENT; remove it',
  }),
  z.refine(({ user, group }) => group === undefined || user !== undefined, {
    path: ['group'],
    error: 'needs a user; give run.user too',
  }),
)

function isOfOnePartition(argument: string): boolean {
  return ofOnePartition.some(placeholder => argument.includes(placeholder))
}

const starts = fields({
  atOnce: about(
    z.int(atOnceWanted).check(z.gte(1, atOnceWanted)),
    'How many processes of this instance may be starting at the same time. The others wait, and their locks stay held.',
    20,
  ),
})

const guard = z.prefault(
  fields({
    // Consul runs no check more often than once a second (seen on 1.8.7: "check has interval below minimum"), and only
    // its own log says so. With a shorter interval the guard would not renew the lease twice within it, as promised.
    interval: about(
      z._default(durationText(1000, 'a duration of at least "1s"'), '2s'),
      'How often the guard check renews the lease, "1s" to "6s".',
      '2s',
    ),
  }),
  {},
)

export const schema = fields({
  $schema: z.optional(about(z.string(give('a string')), 'The location of this JSON Schema, for your editor.')),
  role: z.optional(
    about(
      z.enum(['observer'], give('"observer", or leave it out')),
      '"observer": this machine only renders files; it takes no partitions, and has no "partitions" and no "run".',
      'observer',
    ),
  ),
  name: about(serviceName(), 'The Consul service name.', 'kafka-consumer'),
  id: z.optional(
    about(serviceName(), 'The Consul service id, for two instances on one agent; the name when left out.'),
  ),
  title: z.optional(
    about(
      z.string(titleWanted).check(z.refine(isTitle, titleWanted)),
      'A name for people, which may hold spaces. status and the events of hooks show it next to the name.',
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
    'The share of the partitions that this instance takes, relative to the other instances.',
  ),
  maxPartitions: about(
    z._default(z.nullable(z.int(mostWanted).check(z.gte(1, mostWanted))), null),
    'The most partitions this instance takes at a time; null for no limit.',
  ),
  maxCost: z.optional(
    about(
      z.number(costWanted).check(z.gt(0, costWanted), z.lte(1_000_000_000, costWanted)),
      'The most that the partitions of this instance may cost together; no limit when left out.',
      100,
    ),
  ),
  meta: z.optional(
    about(
      meta(),
      "What this instance offers for placement, over the agent's node_meta: text, numbers, true or false; 4 KiB at most.",
      { zone: 'a', gpu: true, cores: 16 },
    ),
  ),
  placement: z.optional(
    about(
      placement(),
      'Where partitions may run. It is put in force for the whole service, as long as it was not replaced before.',
      { only: [{ attribute: 'meta.gpu', is: true, for: 'train-*' }], spread: [{ over: 'meta.zone' }] },
    ),
  ),
  assign: z.optional(
    about(
      assign(),
      'A scheduler of your own: a program or a module that decides who has what. One instance runs it, all follow it.',
      { command: ['./assign.py'], user: 'nobody' },
    ),
  ),
  partitions: about(partitions(), 'The partitions of the work: listed here, or the source they are fetched from.', {
    range: [0, 15],
  }),
  run: about(run, 'The process: one for each partition, or one for all of them.'),
  stop: about(stop, 'How a process is stopped.'),
  starts: z.optional(
    about(starts, 'How many processes start at the same time, such as after a takeover; no limit when left out.'),
  ),
  checks: about(z._default(checks(), []), 'Health checks, done for each partition.', [
    { name: 'progress', ttl: '5m', onFailure: ['./page', '{partition}'] },
  ]),
  ready: z.optional(
    about(
      z.string(readyWanted).check(z.regex(/^(confirm|check:.+)$/s, readyWanted)),
      'When a partition counts as running. "confirm": once the process has written the file $WATCHBILL_READY. ' +
        '"check:<id>": once that check has passed.',
      'check:progress',
    ),
  ),
  hooks: about(z._default(hooks(), {}), 'Commands that run at events, with the event as JSON on stdin.', {
    failed: ['./page', '{partition}'],
  }),
  variables: z.optional(
    about(templateVariables(), 'What templates find as "variables"; "meta" of the instance goes before.', {
      domain: 'example.org',
    }),
  ),
  render: z.optional(
    about(renders(), 'Files that say who runs what, made from templates on this machine.', [
      {
        template: '/etc/watchbill/upstreams.liquid',
        dest: '/etc/nginx/conf.d/upstreams.conf',
        command: ['systemctl', 'reload', 'nginx'],
      },
    ]),
  ),
  register: z.optional(
    about(
      fields({ port: about(z.int(portWanted).check(z.gte(1, portWanted), z.lte(65_535, portWanted)), 'The port.') }),
      'Registers each running partition in the catalog: DNS answers <partition>.<name>-partition.service.consul.',
      { port: 9000 },
    ),
  ),
  metrics: z.optional(
    about(
      metrics,
      'What processes say of themselves, for them that serve it rather than write it into the file $WATCHBILL_METRICS; ' +
        "and the file for Prometheus' node_exporter.",
      { url: 'http://127.0.0.1:9{partition}/metrics' },
    ),
  ),
  ...calm,
  ...isolated,
  versions: z.optional(
    about(
      versions(),
      'Which versions of the program may be rolled out, step by step, with watchbill roll; {version} stands for the one in force.',
      { pattern: '^\\d+\\.\\d+\\.\\d+$', prepare: ['/usr/local/bin/fetch-release', '{version}'], keep: 2 },
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
  z.refine(({ whenIsolated, onBoot }) => onBoot === undefined || whenIsolated === 'keep', {
    path: ['onBoot'],
    error: 'needs "whenIsolated": "keep": give that too, or remove it',
  }),
  z.superRefine(({ whenIsolated }, found) => {
    const fault = standInFault({ whenIsolated })
    if (fault !== null) found.addIssue({ code: 'custom', path: ['whenIsolated', fault.path], message: fault.message })
    if (typeof whenIsolated === 'object') refuseInCode(whenIsolated.run, found, 'whenIsolated', 'run')
  }),
  z.refine(({ run, whenIsolated }) => whenIsolated !== 'keep' || run.per === 'partition', {
    path: ['whenIsolated'],
    error: 'cannot be "keep" with run.per "instance": one process has partitions that others take; give "stop"',
  }),
  z.refine(({ run, ready }) => ready !== 'confirm' || run.user === undefined, {
    path: ['ready'],
    error: 'cannot be "confirm" with run.user: another user cannot write the file $WATCHBILL_READY; give a check',
  }),
  z.superRefine(({ ready, checks }, found) => {
    const ids = checks.map(({ id, name }) => id ?? name)
    if (ready?.startsWith('check:') && !ids.includes(ready.slice('check:'.length))) {
      const there = ids.length > 0 ? `there are ${ids.join(', ')}` : 'there are no checks'
      found.addIssue({ code: 'custom', path: ['ready'], message: `names no check of this definition; ${there}` })
    }
  }),
  z.superRefine(({ run, stop, checks, hooks, render, versions }, found) => {
    const place = versions === undefined ? versionPlace({ run, stop, checks, hooks, render }) : null
    if (place === null) return
    const message = 'has {version}, and the definition has no "versions"; say there which may be rolled out'
    found.addIssue({ code: 'custom', path: [...place], message })
  }),
  z.meta({ title: 'watchbill definition', description: 'One service whose partitions watchbill keeps running.' }),
)

/** A definition file of the right shape, with its defaults. */
export type DefinitionFile = z.output<typeof schema>
