/** What a scheduler is told: the state of its service as JSON, and the JSON Schema of that. */
import * as z from 'zod/mini'
import { about } from '../definition/fields.ts'

const name = () => z.string()
const time = () => z.string()
const figures = (description: string) =>
  about(z.nullable(z.record(z.string(), z.unknown())), `${description}; null where there are none.`)

const member = z.object({
  name: about(name(), '<node>:<service id>: what the assignment names.', 'node1:consumer'),
  node: about(z.string(), 'The Consul node.'),
  meta: about(z.record(z.string(), z.string()), 'What it offers for placement.', { zone: 'a' }),
  tags: z.array(z.string()),
  datacenter: z.string(),
  weight: z.number(),
  maxPartitions: about(z.nullable(z.number()), 'The most partitions it takes; null for any number.'),
  maxCost: about(z.nullable(z.number()), 'The most that they may cost together; null for any cost.'),
  health: about(z.string(), '"passing", or why it is not.', 'passing'),
  drained: z.boolean(),
  takesPart: about(z.boolean(), 'Only a member that takes part may be named in the assignment.'),
  knownSince: about(time(), 'When a scheduler run first saw it.', '2026-01-01T00:00:00.000Z'),
  lastSeen: about(time(), 'When a scheduler run last saw it: now.'),
  figures: figures('Its last summary: processors, bytes, restarts, the tick'),
  versions: about(
    z.optional(
      z.object({
        pattern: z.string(),
        prepared: about(z.nullable(z.array(z.string())), 'Those that it has made ready; null when it need not.'),
      }),
    ),
    'Which versions its definition allows; left out when it has none.',
  ),
})

const gone = z.object({
  name: name(),
  node: z.string(),
  lost: about(z.boolean(), 'It disappeared without leaving.'),
  since: about(time(), 'When a scheduler run first missed it.'),
  lastSeen: about(z.nullable(time()), 'When a scheduler run last saw it; null for never.'),
})

const partition = z.object({
  id: name(),
  document: about(z.optional(z.unknown()), 'Its document; left out when it has none.'),
  cost: about(z.number(), 'By the rules of placement; otherwise 1.'),
  holder: about(z.nullable(name()), 'Who holds its lock; null for nobody.'),
  since: about(z.nullable(time()), 'Since when.'),
  held: about(z.boolean(), 'Stopped by hand: nobody runs it, whatever is assigned.'),
  notOn: about(z.nullable(name()), 'Who gave it up because of a check, and may not have it yet.'),
  restarts: about(z.nullable(z.number()), 'Restarts of its process, where its holder tells them.'),
  checks: about(z.nullable(z.string()), '"passing", "warning" or "critical"; null without checks.'),
  figures: figures('Processors and bytes, where its holder tells them'),
})

const selector = z.union([z.string(), z.object({ field: z.string(), in: z.array(z.string()) })])

/** As in `spec/placement`, which was checked when it was read. */
const rules = z.object({
  only: z.array(z.looseObject({ for: z.optional(selector) })),
  prefer: z.array(z.looseObject({ for: z.optional(selector) })),
  spread: z.array(z.looseObject({ for: z.optional(selector), over: z.string() })),
  apart: z.array(z.looseObject({ for: z.optional(selector), over: z.string() })),
  cost: z.array(z.looseObject({ for: z.optional(selector) })),
})

const entry = z.union([name(), z.object({ instance: z.null(), reason: z.string() })])

export const input = z
  .object({
    now: about(time(), 'The time of the look, ISO.', '2026-01-01T00:00:00.000Z'),
    service: name(),
    self: about(name(), 'The instance that runs the scheduler.'),
    members: about(z.array(member), 'The members, by name.'),
    gone: about(z.array(gone), 'Instances that were members, and are not there.'),
    partitions: about(z.array(partition), 'The partition set, by name.'),
    settings: z.object({
      drained: z.array(name()),
      held: z.array(name()),
      frozen: about(z.boolean(), 'Nothing moves now.'),
      count: about(z.nullable(z.object({ number: z.number(), by: z.string() })), 'The number of partitions in force.'),
      countable: about(z.boolean(), 'Whether an answer may say "count".'),
      version: z.object({
        inForce: about(z.nullable(z.string()), 'The version that is started; null for none.'),
        said: about(z.nullable(z.string()), 'What the last good answer said; null for none.'),
        fixed: about(z.nullable(z.string()), 'Why no answer may say another "version" now; null when one may.'),
      }),
    }),
    placement: z.object({ rules, pins: about(z.record(z.string(), name()), 'Partitions that people pinned.') }),
    plan: about(
      z.nullable(
        z.object({
          revision: z.number(),
          by: name(),
          at: time(),
          assignment: z.record(z.string(), entry),
          version: z.nullable(z.string()),
          variables: z.unknown(),
        }),
      ),
      'The plan in force; null when there is none.',
    ),
    actions: about(
      z.array(
        z.object({
          id: z.string(),
          action: z.string(),
          arguments: z.record(z.string(), z.string()),
          at: time(),
        }),
      ),
      'What people asked for with "watchbill ask", the oldest first, until "answers" has its id.',
    ),
    state: about(z.unknown(), 'What the last good answer returned as its state; null at first.'),
  })
  .check(z.meta({ title: 'watchbill scheduler input', description: 'What a scheduler reads on stdin.' }))

export type Input = z.output<typeof input>
export type InputMember = Input['members'][number]
export type InputPartition = Input['partitions'][number]
