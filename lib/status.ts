/** How a service is, by what any agent can see: each partition, each instance, and the reason in one line each. */

import { type Seen, seenChecks } from './checks/seen.ts'
import { seconds } from './clock.ts'
import type { Consul } from './consul/http.ts'
import { entriesAt, foldersBelow, trees } from './consul/kv.ts'
import { cautiousWait, type Lock, takeoverWait } from './lease/lock-value.ts'
import type { Member } from './members.ts'
import { decode } from './names.ts'
import { isLeftOut, keyRefused, renameAdvice } from './partitions/new-ids.ts'
import { type Pending, pendingIn, pendingWords } from './partitions/proposal.ts'
import { byName } from './plan-sentence.ts'
import { everything, parseReport, type Report } from './report.ts'
import { type Assignment, assign } from './roster/assignment.ts'
import { type Cluster, lookAtCluster } from './snapshot.ts'
import { type Duty, dutyFrom } from './sources/duty.ts'

export interface PartitionStatus {
  readonly partition: string
  /** Who holds it; null when nobody does. */
  readonly instance: string | null
  readonly state:
    | 'running'
    | 'critical'
    | 'moving'
    | 'waiting'
    | 'crash-looping'
    | 'finished'
    | 'failing'
    | 'starting'
    | 'drained'
    | 'held'
    | 'unassigned'
    | 'removed'
  readonly why: string
  /** Wall clock of the acquisition; null when nobody holds it. */
  readonly since: string | null
  /** By which name DNS finds its owner; null when it has no port. */
  readonly dns: string | null
}

export interface InstanceStatus {
  readonly instance: string
  readonly state: 'member' | 'leaving' | 'drained' | 'in maintenance' | 'not passing' | 'not registered' | 'joining'
  readonly held: number
  readonly assigned: number
  readonly weight: number
  /** What keeps it from looking or acting; empty when nothing does. */
  readonly why: string
}

export interface Status {
  readonly service: string
  readonly ok: boolean
  /** One sentence. */
  readonly summary: string
  readonly problem: string | null
  /** What is to be done before any agent is upgraded; null when nothing is. */
  readonly advice: string | null
  /** Who fetches the set, and what is wrong with it; null where nobody ever did. */
  readonly source: Pick<Duty, 'by' | 'problem' | 'since'> | null
  /** What definitions would remove, and nobody has applied. */
  readonly pending: readonly Omit<Pending, 'proposals'>[]
  readonly instances: readonly InstanceStatus[]
  readonly partitions: readonly PartitionStatus[]
}

/** The services that watchbill keeps in this data center. */
export async function knownServices(consul: Consul): Promise<string[]> {
  const keys = await foldersBelow(consul, 'watchbill/')
  const services = new Set(keys.flatMap(key => decode(key.split('/')[1] ?? '') ?? []))
  return [...services].sort(byName)
}

export async function readStatus(consul: Consul, service: string): Promise<Status> {
  const cluster = await lookAtCluster(consul, service)
  const reports = new Map(
    (await trees(consul, [cluster.keys.reports])).flatMap(({ key, value }) => {
      const instance = decode(key.slice(cluster.keys.reports.length))
      return instance === null ? [] : [[instance, parseReport(value)] as const]
    }),
  )
  const [duty] = await entriesAt(consul, [cluster.keys.duty('source')])
  return statusOf(cluster, reports, await seenChecks(consul, service), duty && dutyFrom(duty.value))
}

/** Pure. @param reports by instance; @param seen what the partitions' services in the catalog say; @param duty who fetches */
export function statusOf(
  cluster: Cluster,
  reports: ReadonlyMap<string, Report>,
  seen: ReadonlyMap<string, Seen> = new Map(),
  duty?: Duty,
): Status {
  const assignment = assign(cluster)
  const ids = [...new Set([...cluster.partitions, ...cluster.locks.keys()])].sort(byName)
  const partitions = ids.map(id => {
    const status = partitionStatus(cluster, assignment, reports, id)
    return { ...withChecks(status, seen.get(id)), dns: seen.get(id)?.dns ?? null }
  })
  const good = partitions.filter(isGood).length
  const instances = instanceStatuses(cluster, assignment, reports)
  const hindrances = instances.flatMap(({ instance, why }) => (why ? [`${instance} ${why}`] : []))
  const { by, problem: fault = null, since = null } = duty ?? {}
  const inForce = isLeftOut(fault) ? '' : '; the last good set stays in force'
  const stale = fault === null ? [] : `${fault} (since ${since}${inForce})`
  const pending = pendingIn(cluster)
  const unapplied = pending.map(one => pendingWords(cluster.service, one, pending.length > 1))
  const problem = [cluster.settingsProblem ?? [], unapplied, stale, hindrances].flat().join('; ') || null
  return {
    service: cluster.service,
    ok: cluster.defined && good === partitions.length && problem === null,
    summary: summaryOf(cluster, partitions),
    problem,
    advice: renameAdvice(cluster, ids),
    source: by === undefined ? null : { by, problem: fault, since },
    pending: pending.map(({ proposals: _, ...one }) => one),
    instances,
    partitions,
  }
}

/** It is as it should be; a held one once nobody runs it any more. */
function isGood({ state, instance }: PartitionStatus): boolean {
  return state === 'running' || state === 'finished' || (state === 'held' && instance === null)
}

function summaryOf(cluster: Cluster, partitions: readonly PartitionStatus[]): string {
  if (!cluster.defined) return `${cluster.service}: nobody has written a partition set yet`
  const counts = new Map<string, number>()
  for (const { state } of partitions) counts.set(state, (counts.get(state) ?? 0) + 1)
  const rank = (state: string) => (state === 'running' ? '' : state)
  const states = [...counts]
    .sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
  const members = cluster.members.filter(({ absence }) => absence === null).length
  return `${cluster.service}: ${cluster.partitions.size} partitions on ${members} members; ${states || 'nothing to run'}`
}

/** What a partition says of itself counts where it runs, and of whom it runs on. */
function withChecks(status: NoDns, seen: Seen | undefined): NoDns {
  if (seen === undefined || seen.why === '' || seen.instance !== status.instance) return status
  if (status.state !== 'running') return status
  return { ...status, state: seen.status === 'critical' ? 'critical' : 'running', why: seen.why }
}

type NoDns = Omit<PartitionStatus, 'dns'>
type Words = Pick<PartitionStatus, 'state' | 'why'>

function partitionStatus(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
  id: string,
): NoDns {
  const lock = cluster.locks.get(id) ?? null
  const holder = lock?.session ? holderOf(cluster, lock) : null
  const words = cluster.unusable.has(id)
    ? ({ state: 'failing', why: keyRefused(cluster, id) } as const)
    : lock?.session
      ? heldWords(cluster, assignment, reports, id, holder)
      : freeWords(cluster, assignment, reports, id, lock)
  return { partition: id, instance: holder, ...words, since: lock?.session ? (lock.held?.since ?? null) : null }
}

function holderOf(cluster: Cluster, lock: Lock): string | null {
  return cluster.members.find(({ session }) => session === lock.session)?.instance ?? lock.held?.instance ?? null
}

function heldWords(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
  id: string,
  holder: string | null,
): Words {
  const remark = holder === null ? undefined : reports.get(holder)?.[id]
  const waits = remark?.startsWith('waits') ? `; ${remark}` : ''
  if (!cluster.partitions.has(id)) return { state: 'removed', why: `no longer in the set; being stopped${waits}` }
  if (cluster.settings.held.includes(id)) return { state: 'held', why: `being stopped, by hand${waits}` }
  const next = assignment.get(id)
  const absence = cluster.members.find(({ instance }) => instance === holder)?.absence
  if (next === undefined && absence) return { state: 'drained', why: `being stopped: ${holder} is ${absence}${waits}` }
  if (next !== holder)
    return { state: 'moving', why: `to ${next ?? 'nobody'}${absence ? `: ${holder} is ${absence}` : ''}${waits}` }
  if (remark?.startsWith('queued')) return { state: 'starting', why: remark }
  if (remark === undefined || /^(takeover|waits)\b/.test(remark)) return { state: 'running', why: '' }
  if (remark.startsWith('starting: ')) return { state: 'starting', why: remark.slice('starting: '.length) }
  if (remark.startsWith('crash-looping')) return { state: 'crash-looping', why: remark.slice('crash-looping '.length) }
  if (remark.startsWith('finished')) return { state: 'finished', why: remark.slice('finished: '.length) }
  if (remark.startsWith('stays here: ')) return { state: 'critical', why: remark }
  return { state: 'failing', why: remark.replace(/^failing: /, '') }
}

function freeWords(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
  id: string,
  lock: Lock | null,
): Words {
  if (!cluster.partitions.has(id)) return { state: 'removed', why: 'no longer in the set; its lock is being deleted' }
  if (cluster.settings.held.includes(id)) {
    return { state: 'held', why: `stopped by hand; watchbill unhold ${cluster.service} ${id} brings it back` }
  }
  const next = assignment.get(id)
  if (next === undefined) return unassigned(cluster)
  if (lock?.clean) return { state: 'starting', why: `on ${next}` }
  const told = reports.get(next)?.[id]
  return { state: 'waiting', why: told ?? `takeover by ${next} within ${seconds(waitOf(cluster, lock))}` }
}

function waitOf(cluster: Cluster, lock: Lock | null): number {
  return lock?.held ? takeoverWait(lock.held.lease, lock.held.grace) : cautiousWait(cluster.terms)
}

/** Why nobody is to have it. */
function unassigned(cluster: Cluster): Words {
  const { members } = cluster
  if (members.length === 0) return { state: 'unassigned', why: 'no instance takes part' }
  const absent = members.filter(({ absence }) => absence !== null)
  const list = absent.map(({ instance, absence }) => `${instance} is ${absence}`).join(', ')
  if (absent.length < members.length) {
    return { state: 'unassigned', why: `every member has its maxPartitions${list && `; ${list}`}` }
  }
  const drained = members.every(({ absence }) => absence === 'drained' || absence === 'in maintenance')
  return { state: drained ? 'drained' : 'unassigned', why: list }
}

function instanceStatuses(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
): InstanceStatus[] {
  const names = new Set([...cluster.members, ...cluster.registered].map(({ instance }) => instance))
  const holders = [...cluster.locks.values()].filter(({ session }) => session !== null)
  return [...names].sort(byName).map(instance => {
    const member: Member | undefined = cluster.members.find(candidate => candidate.instance === instance)
    return {
      instance,
      state: member ? (member.absence ?? 'member') : stateOutside(cluster, instance),
      held: member ? holders.filter(({ session }) => session === member.session).length : 0,
      assigned: [...assignment.values()].filter(assigned => assigned === instance).length,
      weight: member?.weight ?? 0,
      why: reports.get(instance)?.[everything] ?? cluster.hindrances.get(instance) ?? '',
    }
  })
}

/** Registered, but it does not take part. */
function stateOutside(cluster: Cluster, instance: string): InstanceStatus['state'] {
  return cluster.registered.find(candidate => candidate.instance === instance)?.passing ? 'joining' : 'not passing'
}
