/** `watchbill status <service> <partition>`: all that is known of one partition, on this machine and in Consul. */
import { reason } from '../../base/errors.ts'
import { printable, shellWords } from '../../base/printable.ts'
import type { Consul } from '../../consul/http.ts'
import { isRefusal } from '../../consul/permission.ts'
import { partitionsAt } from '../../keys/partition-set.ts'
import { mustBePartitions } from '../../program/operator.ts'
import { readEvents, type Shown } from '../events/read.ts'
import { eventJson, eventLine } from '../events/words.ts'
import { age } from '../figures/words.ts'
import type { PartitionStatus } from './partitions.ts'
import { type ProcessHere, processHere } from './process-here.ts'
import { readWhole } from './status.ts'
import { logsLine } from './words.ts'

/** So many of its last events are shown. */
const mostEvents = 10

export interface Detail extends PartitionStatus {
  readonly service: string
  /** Null for one that nobody holds. */
  readonly lease: number | null
  readonly grace: number | null
  readonly pinned: string | null
  /** Of its checks; null when it has none, or its holder has not registered them. */
  readonly checks: { readonly status: string; readonly why: string } | null
  /** Its process; null when that is on another machine, or nowhere. */
  readonly here: ProcessHere | null
  /** Why this machine cannot tell of it; null when it can. */
  readonly hereProblem: string | null
  /** Its document as JSON text; null when it has none. */
  readonly document: string | null
  /** Null when the token may not read events. */
  readonly events: readonly Shown[] | null
  /** The command that prints its log, and on which machine. */
  readonly logs: string
}

/** @param root the state directory @throws Permanent when there is no such partition; Temporary when Consul is away */
export async function detailOf(consul: Consul, service: string, id: string, root: string): Promise<Detail> {
  const { status, cluster, seen } = await readWhole(consul, service)
  const one = status.partitions.find(({ partition }) => partition === id)
  if (one === undefined) mustBePartitions('show', service, new Set(), [id])
  const found = one as PartitionStatus
  const lock = cluster.locks.get(id)
  const held = lock?.session ? lock.held : null
  const checks = seen.get(id)
  const [kept] = await partitionsAt(consul, cluster.keys, [id])
  const [here, hereProblem] = lookHere(root, found, id)
  return {
    ...found,
    service,
    lease: held?.lease ?? null,
    grace: held?.grace ?? null,
    pinned: cluster.placement?.pins.get(id) ?? null,
    checks: checks && checks.instance === found.instance ? { status: checks.status, why: checks.why } : null,
    here,
    hereProblem,
    document: kept?.document === undefined ? null : JSON.stringify(kept.document),
    events: await lastEvents(consul, service, id),
    logs: logsLine(service, id, found.instance),
  }
}

/** Another user's state directory is no reason to show nothing. */
function lookHere(root: string, { instance }: PartitionStatus, id: string): [ProcessHere | null, string | null] {
  if (instance === null) return [null, null]
  try {
    return [processHere(root, instance, id), null]
  } catch (error) {
    return [null, reason(error)]
  }
}

async function lastEvents(consul: Consul, service: string, partition: string): Promise<readonly Shown[] | null> {
  try {
    return (await readEvents(consul, { service, partition })).slice(-mostEvents)
  } catch (error) {
    if (isRefusal(error)) return null
    throw error
  }
}

/** @param now wall clock, ms */
export function detailLines(one: Detail, now: number): string[] {
  const { service, partition, state, why, instance, health, here, events, checks, lease, grace } = one
  const rows: (readonly [name: string, text: string | null])[] = [
    ['why', why || null],
    ['since', since(one.since, now)],
    ['version', one.version],
    ['process', processWords(one, now)],
    ['restarts', counted(here?.restarts ?? health?.restarts)],
    ['last exit', here?.exit ?? null],
    ['ready', since(health?.ready ?? null, now)],
    ['checks', checks === null ? null : checks.why || checks.status],
    ['token', here?.token ?? null],
    ['lease', lease === null ? null : `${lease / 1000} s, grace ${Number(grace) / 1000} s${left(here)}`],
    ['pinned to', one.pinned],
    ['DNS', one.dns],
    ['document', one.document],
    ['log', one.logs],
    ['remark', one.hereProblem],
  ]
  const shown = rows.flatMap(([name, text]) => (text === null ? [] : [`  ${`${name}:`.padEnd(11)}${text}`]))
  const told = events?.map(event => `  ${eventLine(event)}`) ?? []
  const all = `watchbill events ${shellWords(service, partition)}`
  return [
    `${partition} of ${service}: ${state}${instance === null ? '' : ` on ${instance}`}`,
    ...shown,
    events === null ? 'its events cannot be read: the token lacks the permission' : `last events; all: ${all}`,
    ...told,
  ].map(printable)
}

/** The same for programs. */
export function detailJson({ events, ...one }: Detail): object {
  return { ...one, events: events?.map(eventJson) ?? null }
}

function processWords({ instance, health, here }: Detail, now: number): string | null {
  if (instance === null) return null
  if (here !== null) {
    if (here.pid === null) return `none now; its shepherd says: ${here.says ?? 'nothing'}`
    return `pid ${here.pid}, up ${age(Number(here.uptime) / 1000)}${here.says ? `; its shepherd says: ${here.says}` : ''}`
  }
  const node = instance.slice(0, instance.lastIndexOf(':'))
  const started = health?.started ? `up ${ageOf(health.started, now)}; ` : ''
  return `${started}its pid, token and last exit are known on ${node}`
}

function left(here: ProcessHere | null): string {
  return here?.leaseMs == null ? '' : `; ${(here.leaseMs / 1000).toFixed(1)} s of it are left`
}

function since(at: string | null, now: number): string | null {
  return at === null ? null : `${at} (${ageOf(at, now)})`
}

function ageOf(at: string, now: number): string {
  return age(Math.max(0, (now - Date.parse(at)) / 1000))
}

function counted(count: number | null | undefined): string | null {
  return count == null ? null : String(count)
}
