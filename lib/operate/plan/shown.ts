/** `plan --show`: the plan in force, who made it and why; what was refused; what waits. */

import { table } from '../../base/table.ts'
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { keysBelow } from '../../consul/kv.ts'
import { keptPlan, type OwnPlan, type PlanPointer } from '../../keys/own-plan.ts'
import { readSchedulerDuty } from '../../keys/scheduler.ts'
import { type Asked, askedWords, readAsked } from '../../keys/scheduler-asks.ts'
import { type LastRun, readMemory } from '../../keys/scheduler-memory.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { versionInForce } from '../../roll/meant.ts'
import { holdersOf, rulesFor, voidEntries } from '../../roster/assignment.ts'
import { schedulerWords } from '../status/scheduler-words.ts'

export interface ShownPlan {
  readonly service: string
  /** The instance that runs the scheduler; null when none has ever run one. */
  readonly by: string | null
  readonly problems: readonly string[]
  /** The plan in force; null when there is none. */
  readonly plan: OwnPlan | null
  readonly pointer: PlanPointer | null
  /** The version in force of the service, which people may have rolled out since; null for none. */
  readonly version: string | null
  /** Partition id -> why its entry does not count now. */
  readonly voided: ReadonlyMap<string, string>
  readonly holders: ReadonlyMap<string, string>
  readonly last: LastRun | null
  readonly waiting: readonly Asked[]
  /** The plans before it that are kept. */
  readonly earlier: readonly Pick<OwnPlan, 'revision' | 'by' | 'at'>[]
}

/** @throws Temporary when Consul is away */
export async function planShown(consul: Consul, service: string): Promise<ShownPlan> {
  const cluster = await lookAtCluster(consul, service)
  const { keys, ownPlan } = cluster
  const [duty, { last }, asked] = await Promise.all([
    readSchedulerDuty(consul, keys),
    readMemory(consul, service),
    readAsked(consul, keys),
  ])
  const voided = voidEntries(cluster, await rulesFor(cluster)) ?? new Map<string, string>()
  return {
    ...{ service, by: duty?.by ?? null, plan: ownPlan.plan, pointer: ownPlan.pointer, last, voided },
    version: versionInForce(cluster),
    problems: schedulerWords(cluster, duty),
    holders: new Map([...holdersOf(cluster)].filter(([id]) => cluster.locks.get(id)?.session !== null)),
    waiting: asked.filter(({ answer }) => answer === null),
    earlier: await earlierPlans(consul, keys, ownPlan.plan?.revision ?? null),
  }
}

async function earlierPlans(consul: Consul, keys: Parameters<typeof keptPlan>[1], now: number | null) {
  const names = await keysBelow(consul, keys.plans)
  const revisions = new Set(names.map(name => Number(name.slice(keys.plans.length).split('/')[0])))
  const others = [...revisions].filter(one => Number.isSafeInteger(one) && one !== now).sort((a, b) => b - a)
  const plans = await Promise.all(others.slice(0, 5).map(one => keptPlan(consul, keys, one)))
  return plans.flatMap(plan => (plan === null ? [] : [{ revision: plan.revision, by: plan.by, at: plan.at }]))
}

export function shownLines(shown: ShownPlan): string[] {
  const { service, by, problems, plan, voided, holders, last, waiting, earlier } = shown
  const head = plan === null ? `${service}: no plan is in force` : `${service}: ${planWords(plan)}`
  const rows = plan === null ? [] : entriesOf(plan).map(([id, to, why]) => rowOf(id, to, why))
  function rowOf(id: string, to: string, why: string) {
    return [id, to, holders.get(id) ?? '-', voided.has(id) ? `does not count: ${voided.get(id)}` : why]
  }
  return [
    head,
    runsWords(by, last),
    ...problems.map(problem => `problem: ${problem}`),
    ...(rows.length > 0 ? table(['PARTITION', 'PLAN', 'INSTANCE', 'WHY'], rows) : []),
    ...(plan?.version == null ? [] : [versionLine(plan.version, shown.version)]),
    ...(plan === null || isNone(plan.variables) ? [] : [`variables: ${JSON.stringify(plan.variables)}`]),
    ...(plan?.log ?? []).map(line => `log: ${line}`),
    ...(last?.refused ?? []).map(({ at, why }) => `refused ${at}: ${why}`),
    ...waiting.map(one => `waits since ${one.at}: ${askedWords(one)} (${one.id})`),
    ...earlier.map(one => `earlier: plan ${one.revision} of ${one.at} by ${one.by}`),
  ]
}

export function planWords({ revision, by, at, from, assignment, nobody }: OwnPlan): string {
  const idle = nobody.size > 0 ? `, and ${nobody.size} left to nobody` : ''
  return `plan ${revision} of ${at} by ${by}, from the indexes ${from.keys} and ${from.health}: ${assignment.size} assigned${idle}`
}

function versionLine(said: string, inForce: string | null): string {
  return `version: ${said}${said === inForce ? '' : `; in force is ${inForce ?? 'none'}`}`
}

/** Who runs the scheduler. */
export function runsWords(by: string | null, last: LastRun | null): string {
  if (by === null) return 'no instance has ever run a scheduler'
  return `the scheduler runs on ${by}${last === null ? '' : `; its last run: ${last.at}, ${last.took} ms`}`
}

export function entriesOf({ assignment, nobody }: OwnPlan): [string, string, string][] {
  const all = [...assignment].map(([id, to]): [string, string, string] => [id, to, ''])
  return [...all, ...[...nobody].map(([id, why]): [string, string, string] => [id, 'nobody', why])].sort(([a], [b]) =>
    byName(a, b),
  )
}

function isNone({ service, instance }: OwnPlan['variables']): boolean {
  return Object.keys(service).length + Object.keys(instance).length === 0
}

/** As `plan --show --json` prints it. */
export function shownObject({ plan, voided, holders, ...rest }: ShownPlan) {
  const flat = plan && {
    ...plan,
    assignment: Object.fromEntries(plan.assignment),
    nobody: Object.fromEntries(plan.nobody),
  }
  return { ...rest, plan: flat, void: Object.fromEntries(voided), holders: Object.fromEntries(holders) }
}
