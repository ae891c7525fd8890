/** What each view answers: for the OpenAPI description, against which the tests hold the answers themselves. */
import { z } from 'zod'
import { rollStates } from '../keys/roll.ts'
import { unitStates } from '../operate/roll/shown.ts'
import { orders } from '../roll/next.ts'
import { type State, stateNames } from './states.ts'

const text = z.string()
const maybe = text.nullable()
const number = z.number()
const texts = z.array(text)

const partition = z.strictObject({
  ...{ partition: text, instance: maybe, state: z.enum(stateNames as [State, ...State[]]), why: text },
  ...{ since: maybe, dns: maybe, version: maybe },
  health: z.strictObject({ started: maybe, ready: maybe, restarts: number }).nullable(),
})

const figures = z.strictObject({
  ...{ at: text, partitions: number, cpu: number, memory: number, restarts: number },
  margin: number.nullable(),
})

const instance = z.strictObject({
  ...{ instance: text, state: text, held: number, assigned: number, weight: number, why: text },
  figures: figures.nullable(),
})

const service = z.strictObject({
  ...{ service: text, title: maybe, ok: z.boolean(), summary: text, problem: maybe, problems: texts },
  ...{ remark: maybe, advice: maybe },
  source: z.strictObject({ by: text, problem: maybe, since: maybe }).nullable(),
  scheduler: z.strictObject({ by: text, problem: maybe, since: maybe, plan: number.nullable() }).nullable(),
  pending: z.array(z.looseObject({})),
  ...{ version: maybe, roll: z.looseObject({}).nullable() },
  instances: z.array(instance),
  partitions: z.array(partition),
})

const services = z.strictObject({
  services: z.array(
    z.strictObject({
      ...{ service: text, title: maybe, ok: z.boolean(), summary: text, problems: texts, remark: maybe },
      ...{ partitions: number, members: number, states: z.record(text, number) },
    }),
  ),
})

const process = z.strictObject({
  ...{ instance: text, pid: number.nullable(), says: maybe, restarts: number.nullable() },
  ...{ exit: maybe, token: maybe, leaseMs: number.nullable(), uptime: number.nullable() },
})

const onePartition = z.strictObject({
  ...{ service: text, status: partition, token: maybe, lease: number.nullable(), grace: number.nullable() },
  ...{ pinned: maybe, checks: z.strictObject({ status: text, why: text }).nullable(), instances: texts },
  ...{ here: process.nullable(), log: z.strictObject({ instance: text, held: z.boolean(), lines: texts }).nullable() },
  ...{ logs: text, problem: maybe, documents: z.boolean() },
})

const oneInstance = z.strictObject({
  ...{ service: text, node: text, status: instance, partitions: z.array(partition), here: z.boolean() },
  member: z
    .strictObject({
      ...{ lease: number, grace: number, maxPartitions: number.nullable(), roster: number },
      ...{ meta: z.record(text, text), datacenter: text, tags: texts },
    })
    .nullable(),
})

const machine = z.strictObject({
  node: text,
  instances: z.array(instance.extend({ service: text })),
  findings: z.array(z.strictObject({ level: text, sentence: text, todo: text })).nullable(),
})

const amount = z.union([z.strictObject({ number }), z.strictObject({ percent: number })])
const rollRecord = z.looseObject({
  ...{ id: text, to: maybe, from: text, by: text, since: text, unit: z.enum(['partition', 'instance']) },
  ...{ max: amount, steps: z.array(amount), settleMs: number, limitMs: number, ack: z.boolean() },
  ...{ autoRevert: z.boolean(), only: maybe, state: z.enum(rollStates), before: z.enum(rollStates).nullable() },
  ...{ step: number, cursor: maybe, skipped: texts, round: number, again: texts, why: maybe },
  ...{ reached: number, of: number, changed: text },
})

const roll = z.strictObject({
  ...{ service: text, version: maybe, roll: rollRecord.nullable(), underWay: z.boolean(), lines: texts },
  orders: z.array(z.enum(orders)),
  steps: z.array(z.strictObject({ upTo: number, state: text })),
  units: z.array(
    z.strictObject({ name: text, instance: maybe, versions: texts, state: z.enum(unitStates), why: maybe }),
  ),
  instances: z.array(z.strictObject({ instance: text, pattern: text, prepared: texts.nullable(), failed: maybe })),
})

const asked = z.strictObject({ id: text, action: text, arguments: z.record(text, text), at: text, answer: maybe })
const ask = z.strictObject({
  ...{ service: text, by: maybe, problem: maybe, since: maybe, asked: z.array(asked) },
  actions: z.array(
    z.strictObject({
      ...{ name: text, title: text, arguments: z.array(z.strictObject({ name: text, about: text })) },
    }),
  ),
})

const ownPlan = z.strictObject({
  ...{ revision: number, by: text, at: text, version: maybe, log: texts },
  from: z.strictObject({ keys: number, health: text }),
  ...{ assignment: z.record(text, text), nobody: z.record(text, text) },
  variables: z.strictObject({ service: z.record(text, z.unknown()), instance: z.record(text, z.unknown()) }),
})

/** As `watchbill plan --show --json` prints it. */
const scheduled = z.strictObject({
  ...{ service: text, by: maybe, version: maybe, problems: texts, plan: ownPlan.nullable() },
  pointer: z.looseObject({ revision: number, withdrawn: maybe }).nullable(),
  last: z
    .strictObject({
      ...{ at: text, by: text, took: number, version: maybe, log: texts },
      refused: z.array(z.strictObject({ at: text, why: text })),
    })
    .nullable(),
  waiting: z.array(asked.extend({ index: number })),
  earlier: z.array(z.strictObject({ revision: number, by: text, at: text })),
  ...{ void: z.record(text, text), holders: z.record(text, text) },
})

const plan = z.strictObject({
  service: text,
  moves: z.array(z.strictObject({ partition: text, from: maybe, to: maybe, meanwhile: text.optional(), why: text })),
  unplaced: z.array(z.strictObject({ partition: text, why: text })),
  instances: z.array(z.strictObject({ instance: text, now: number, after: number })),
  scheduler: scheduled.nullable(),
})

const history = z.strictObject({
  ...{ service: text, instance: text },
  rows: z.array(z.looseObject({ at: text, boot: number })),
})

const document = z.strictObject({ service: text, partition: text, document: maybe })

const events = z.strictObject({
  lines: texts,
  events: z.array(
    z.strictObject({
      ...{ service: text, index: number, at: text, teller: maybe, by: maybe, what: text, partitions: texts },
      ...{ more: number, instance: maybe, why: maybe },
    }),
  ),
})

/** By address. */
export const answers: Readonly<Record<string, z.ZodType>> = {
  ...{ '/': services, '/service': service, '/partition': onePartition, '/instance': oneInstance },
  ...{ '/machine': machine, '/plan': plan, '/roll': roll, '/ask': ask, '/events': events },
  ...{ '/history': history, '/document': document },
}
