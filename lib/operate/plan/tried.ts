/** `plan --run` and `plan --replay`: runs the scheduler of a definition on this machine, and says what its answer would change. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Permanent, reason } from '../../base/errors.ts'
import { instanceName } from '../../base/names.ts'
import { table } from '../../base/table.ts'
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import type { Assign } from '../../definition/assign.ts'
import type { Definition } from '../../definition/definition.ts'
import { loadDefinition } from '../../definition/load.ts'
import { firstOf } from '../../definition/problems.ts'
import { fileShown } from '../../definition/wording.ts'
import { noPlan, type OwnPlan, type PlanPointer } from '../../keys/own-plan.ts'
import { readSchedulerDuty } from '../../keys/scheduler.ts'
import type { Cluster } from '../../look/cluster.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { removeHome } from '../../process/containment/groups.ts'
import { assigned } from '../../roster/assignment.ts'
import { type Checked, checkAnswer, Refused } from '../../scheduler/check.ts'
import { isCountable } from '../../scheduler/count.ts'
import { inputFrom, readBeside } from '../../scheduler/gather.ts'
import { type Input, input as inputShape } from '../../scheduler/input.ts'
import { Failed, runScheduler, schedulerName } from '../../scheduler/run.ts'
import { instanceFiles } from '../../state/paths.ts'
import { type Outlook, outlook } from './moves.ts'
import { inTheEnd } from './what-if.ts'

export interface Tried {
  readonly service: string
  readonly scheduler: string
  /** ms */
  readonly took: number
  readonly checked: Checked
}

interface Scheduler {
  readonly definition: Definition
  readonly assign: Assign
}

/** @param file the definition; that of the service in WATCHBILL_CONFIG when it is not given */
export async function schedulerOf(service: string, file: string | undefined): Promise<Scheduler> {
  const named = file ?? `${process.env.WATCHBILL_CONFIG || '/etc/watchbill'}/${service}.json`
  const definition = await loadDefinition(named)
  if (definition.name !== service)
    throw new Permanent(`cannot use ${named}: it is the definition of ${definition.name}, not of ${service}`)
  const { assign } = definition
  if (assign === undefined)
    throw new Permanent(`cannot run a scheduler: the definition ${named} has no "assign"; name one with --definition`)
  return { definition, assign }
}

/**
 * With the state of the service as it is now. It changes nothing in Consul.
 * @param save where to write the input; undefined for nowhere
 * @throws Permanent when the answer would be refused
 */
export async function tryNow(
  consul: Consul,
  service: string,
  scheduler: Scheduler,
  save: string | undefined,
): Promise<Tried & { readonly outlook: Outlook }> {
  const cluster = await lookAtCluster(consul, service)
  const [beside, duty] = await Promise.all([readBeside(consul, cluster), readSchedulerDuty(consul, cluster.keys)])
  const self = duty?.by || (cluster.members[0]?.instance ?? instanceName('nobody', service))
  const countable = isCountable(scheduler.definition)
  const input = inputFrom(cluster, beside, { self, now: new Date().toISOString(), countable })
  const text = JSON.stringify(input)
  if (save !== undefined) write(save, text)
  const tried = await run(service, scheduler, input, text)
  const after = followed(cluster, tried.checked)
  return { ...tried, outlook: outlook(cluster, after, { roster: await assigned(after), meanwhile: null }) }
}

/** With an input that was saved before. Consul is not asked. */
export async function replay(service: string, scheduler: Scheduler, file: string): Promise<Tried & { input: Input }> {
  const text = read(file)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Permanent(`cannot replay ${fileShown(file)}: it is not JSON: ${reason(error)}`)
  }
  const result = inputShape.safeParse(value)
  if (!result.success)
    throw new Permanent(
      `cannot replay ${fileShown(file)}: it is no input of a scheduler: ${firstOf(result.error.issues)}`,
    )
  return { ...(await run(service, scheduler, result.data, text)), input: result.data }
}

async function run(service: string, { definition, assign }: Scheduler, input: Input, text: string): Promise<Tried> {
  const directory = mkdtempSync(join(tmpdir(), 'watchbill-plan-'))
  const files = instanceFiles(directory, input.self)
  const node = input.members.find(({ name }) => name === input.self)?.node ?? ''
  const scheduler = schedulerName(assign)
  const place = { files, service, instance: input.self, node, cwd: definition.run.cwd ?? '/' }
  try {
    const { text: answer, took } = await runScheduler(place, assign, text)
    return { service, scheduler, took, checked: checkAnswer(answer, input) }
  } catch (error) {
    if (error instanceof Refused)
      throw new Permanent(`cannot follow ${scheduler}: its answer is refused: ${error.message}; correct it`)
    if (error instanceof Failed) throw new Permanent(`cannot follow ${scheduler}: ${error.message}; correct it`)
    throw error
  } finally {
    removeHome(files)
    rmSync(directory, { recursive: true, force: true })
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Permanent(`cannot replay ${fileShown(file)}: ${reason(error)}; save one with plan --run --save FILE`)
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, `${text}\n`, { mode: 0o600 })
  } catch (error) {
    throw new Permanent(`cannot save the input: ${reason(error)}; name another file`)
  }
}

/** The cluster with the plan in force. */
function followed(cluster: Cluster, checked: Checked): Cluster {
  const now = { revision: (cluster.ownPlan.pointer?.revision ?? 0) + 1, by: 'plan', at: '' }
  const plan: OwnPlan = { ...checked, ...now, from: { keys: 0, health: '' } }
  const pointer: PlanPointer = {
    ...{ ...now, parts: 1, digest: '', content: '', withdrawn: null, giveUpMs: 0, index: 0 },
  }
  return { ...cluster, members: cluster.members.map(inTheEnd), ownPlan: { ...noPlan, pointer, plan } }
}

/** What it said, before what it would change. */
export function triedLines({ service, scheduler, took, checked }: Tried): string[] {
  const { assignment, nobody, version, variables, count, nextMs, state, answers } = checked
  const rest = { version, count, next: nextMs, variables, state, answers: Object.fromEntries(answers) }
  const said = Object.entries(rest).filter(([, value]) => !isNothing(value))
  const idle = nobody.size > 0 ? `, and leaves ${nobody.size} to nobody` : ''
  return [
    `${service}: the answer of ${scheduler} is good (${took} ms): it assigns ${assignment.size}${idle}`,
    ...said.map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    ...checked.log.map(line => `log: ${line}`),
  ]
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true
  return typeof value === 'object' && Object.values(value).every(one => isNothing(one))
}

/** The entries that differ from who has the partition in the input. */
export function replayLines({ checked, input }: Tried & { readonly input: Input }): string[] {
  const holders = new Map(input.partitions.map(({ id, holder }) => [id, holder]))
  const moves = [...checked.assignment].filter(([id, to]) => holders.get(id) !== to)
  const rows = [
    ...moves.map(([id, to]) => [id, holders.get(id) ?? '-', to, '']),
    ...[...checked.nobody].map(([id, why]) => [id, holders.get(id) ?? '-', 'nobody', why]),
  ].sort(([a = ''], [b = '']) => byName(a, b))
  return rows.length === 0 ? ['nothing would move'] : table(['PARTITION', 'FROM', 'TO', 'WHY'], rows)
}

export function triedJson({
  checked,
  ...tried
}: Tried & { readonly outlook?: Outlook; readonly input?: Input }): string {
  const { input: _, ...rest } = tried
  const { assignment, nobody, answers, ...said } = checked
  const entries = { assignment: Object.fromEntries(assignment), nobody: Object.fromEntries(nobody) }
  return JSON.stringify({ ...rest, ...entries, answers: Object.fromEntries(answers), ...said })
}
