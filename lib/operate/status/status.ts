/** How a service is, by what any agent can see: each partition, each instance, and the reason in one line each. */

import { type Pending, pendingIn, pendingWords } from '../../act/proposal.ts'
import { everything, parseReport, type Report } from '../../act/report.ts'
import { seconds } from '../../base/clock.ts'
import { decode } from '../../base/names.ts'
import { byName } from '../../base/text.ts'
import { type Seen, seenChecks } from '../../checks/seen.ts'
import type { Consul } from '../../consul/http.ts'
import { entriesAt, trees } from '../../consul/kv.ts'
import { isRefusal } from '../../consul/permission.ts'
import { type Session, sessionInfo, sessionName } from '../../consul/session.ts'
import { type Duty, dutyFrom } from '../../keys/duty.ts'
import { cautiousWait, type Lock, takeoverWait } from '../../keys/lock.ts'
import type { Member } from '../../keys/member.ts'
import { isLeftOut, keyRefused, renameAdvice } from '../../keys/new-ids.ts'
import type { Cluster } from '../../look/cluster.ts'
import { lookAtCluster } from '../../look/snapshot.ts'
import { type Assignment, assign } from '../../roster/assignment.ts'
import {
  absentWords,
  crashWords,
  definitionsWords,
  foreignKeysWords,
  foreignLock,
  logsLine,
  settingsWords,
  troubleWords,
  tryingWords,
  unwrittenWords,
} from './words.ts'

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
  /** What its definition calls it; null when it does not, or nobody takes part. */
  readonly title: string | null
  readonly ok: boolean
  /** One sentence. */
  readonly summary: string
  /** All problems on one line; null when there is none. */
  readonly problem: string | null
  /** What is wrong with the service, and no partition's own fault: each with its reason and what to do next. */
  readonly problems: readonly string[]
  /** What is going wrong and may pass by itself; null when nothing is. */
  readonly remark: string | null
  /** What is to be done before any agent is upgraded; null when nothing is. */
  readonly advice: string | null
  /** Who fetches the set, and what is wrong with it; null where nobody ever did. */
  readonly source: Pick<Duty, 'by' | 'problem' | 'since'> | null
  /** What definitions would remove, and nobody has applied. */
  readonly pending: readonly Omit<Pending, 'proposals'>[]
  readonly instances: readonly InstanceStatus[]
  readonly partitions: readonly PartitionStatus[]
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
  const seen = await seenChecks(consul, service)
  return statusOf(cluster, reports, seen, duty && dutyFrom(duty.value), await foreignSessions(consul, cluster))
}

/** Sessions that hold a lock and are no member's: there is seldom one. A token that may not see it learns no more of it. */
async function foreignSessions(consul: Consul, { locks, members }: Cluster): Promise<Map<string, Session | null>> {
  const known = new Set(members.map(({ session }) => session))
  const holders = [...locks.values()].flatMap(({ session }) => session ?? [])
  const foreign = [...new Set(holders.filter(session => !known.has(session)))].slice(0, 10)
  const infos = foreign.map(id =>
    sessionInfo(consul, id).catch(error => {
      if (isRefusal(error)) return null
      throw error
    }),
  )
  return new Map((await Promise.all(infos)).map((info, place) => [foreign[place] as string, info]))
}

/**
 * Pure. @param reports by instance; @param seen what the partitions' services in the catalog say; @param duty who fetches
 * @param sessions those that hold a lock and are no member's, null for one of which nothing is known
 */
export function statusOf(
  cluster: Cluster,
  reports: ReadonlyMap<string, Report>,
  seen: ReadonlyMap<string, Seen> = new Map(),
  duty?: Duty,
  sessions: ReadonlyMap<string, Session | null> = new Map(),
): Status {
  const assignment = assign(cluster)
  const ids = [...new Set([...cluster.partitions, ...cluster.locks.keys()])].sort(byName)
  const partitions = ids.map(id => {
    const status = partitionStatus({ cluster, assignment, reports, sessions }, id)
    return { ...withChecks(cluster.service, status, seen.get(id)), dns: seen.get(id)?.dns ?? null }
  })
  const good = partitions.filter(isGood).length
  const instances = instanceStatuses(cluster, assignment, reports)
  const hindrances = instances.flatMap(({ instance, why }) => (why ? [`${instance} ${why}`] : []))
  const { by, problem: fault = null, since = null, trying = null } = duty ?? {}
  const inForce = isLeftOut(fault) ? '' : '; the last good set stays in force'
  const stale = fault === null ? null : `${fault} (since ${since}${inForce})`
  const tried = trying && fault === null ? tryingWords(trying) : null
  const pending = pendingIn(cluster)
  const found = [
    ...[settingsWords(cluster), ...pending.map(one => pendingWords(cluster.service, one, pending.length > 1)), stale],
    ...[cluster.defined ? null : tried, definitionsWords(cluster.members), foreignKeysWords(cluster), ...hindrances],
  ]
  const problems = found.filter(problem => problem !== null)
  return {
    service: cluster.service,
    title: titleOf(cluster),
    ok: cluster.defined && good === partitions.length && problems.length === 0,
    summary: summaryOf(cluster, partitions),
    problem: problems.join('; ') || null,
    problems,
    remark: cluster.defined ? tried : null,
    advice: renameAdvice(cluster, ids),
    source: by === undefined ? null : { by, problem: fault, since },
    pending: pending.map(({ proposals: _, ...one }) => one),
    instances,
    partitions,
  }
}

/** It is as it should be; a held one once nobody runs it any more. */
export function isGood({ state, instance }: PartitionStatus): boolean {
  return state === 'running' || state === 'finished' || (state === 'held' && instance === null)
}

/** Definitions may differ while they change: the first member's counts. */
function titleOf({ members }: Cluster): string | null {
  return members.find(({ title }) => title !== undefined)?.title ?? null
}

function summaryOf(cluster: Cluster, partitions: readonly PartitionStatus[]): string {
  const title = titleOf(cluster)
  const name = title === null ? cluster.service : `${cluster.service} (${title})`
  if (!cluster.defined) return unwrittenWords(cluster, name)
  const counts = new Map<string, number>()
  for (const { state } of partitions) counts.set(state, (counts.get(state) ?? 0) + 1)
  const rank = (state: string) => (state === 'running' ? '' : state)
  const states = [...counts]
    .sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
  const members = cluster.members.filter(({ absence }) => absence === null).length
  return `${name}: ${cluster.partitions.size} partitions on ${members} members; ${states || 'nothing to run'}`
}

/** What a partition says of itself counts where it runs, and of whom it runs on. */
function withChecks(service: string, status: NoDns, seen: Seen | undefined): NoDns {
  if (seen === undefined || seen.why === '' || seen.instance !== status.instance) return status
  if (status.state !== 'running') return status
  if (seen.status !== 'critical') return { ...status, why: seen.why }
  return { ...status, state: 'critical', why: `${seen.why}; ${logsLine(service, status.partition, status.instance)}` }
}

type NoDns = Omit<PartitionStatus, 'dns'>

type Words = Pick<PartitionStatus, 'state' | 'why'>

/** What a partition is judged by. */
interface Seeing {
  readonly cluster: Cluster
  readonly assignment: Assignment
  readonly reports: ReadonlyMap<string, Report>
  readonly sessions: ReadonlyMap<string, Session | null>
}

function partitionStatus(seeing: Seeing, id: string): NoDns {
  const { cluster, assignment, reports } = seeing
  const lock = cluster.locks.get(id) ?? null
  const holder = lock?.session ? holderOf(cluster, lock) : null
  const words = cluster.unusable.has(id)
    ? ({ state: 'failing', why: keyRefused(cluster, id) } as const)
    : lock?.session
      ? (foreignWords(seeing, lock) ?? heldWords(cluster, assignment, reports, id, holder))
      : freeWords(cluster, assignment, reports, id, lock)
  return { partition: id, instance: holder, ...words, since: lock?.session ? (lock.held?.since ?? null) : null }
}

function holderOf(cluster: Cluster, lock: Lock): string | null {
  return cluster.members.find(({ session }) => session === lock.session)?.instance ?? lock.held?.instance ?? null
}

/** An instance's own session, which has lost its member key or has not taken it yet, is none that anyone has to end. */
function foreignWords({ sessions }: Seeing, { session, held }: Lock): Words | null {
  const info = session === null ? undefined : sessions.get(session)
  if (session === null || info === undefined) return null
  if (held && info?.Name === sessionName(held.instance)) return null
  return { state: 'failing', why: foreignLock(session, info) }
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
  const absent = cluster.members.find(({ instance, absence }) => instance === holder && absence !== null)
  if (next === undefined && absent) return nowhereElse(cluster, absent, waits)
  if (next !== holder)
    return { state: 'moving', why: `to ${next ?? 'nobody'}${absent ? `: ${holder} is ${absent.absence}` : ''}${waits}` }
  if (remark?.startsWith('waits for its process')) return { state: 'failing', why: remark }
  if (remark?.startsWith('queued')) return { state: 'starting', why: remark }
  if (remark === undefined || /^(takeover|waits)\b/.test(remark)) return { state: 'running', why: '' }
  if (remark.startsWith('starting: ')) return { state: 'starting', why: remark.slice('starting: '.length) }
  if (remark.startsWith('crash-looping')) {
    const why = crashWords(cluster.service, id, holder, remark.slice('crash-looping '.length))
    return { state: 'crash-looping', why }
  }
  if (remark.startsWith('finished')) return { state: 'finished', why: remark.slice('finished: '.length) }
  if (remark.startsWith('stays here: ')) return { state: 'critical', why: remark }
  return { state: 'failing', why: remark.replace(/^failing: /, '') }
}

/** Its holder is to have nothing, and nobody else can take it. */
function nowhereElse({ service }: Cluster, holder: Member, waits: string): Words {
  const { instance, absence } = holder
  if (absence === 'drained' || absence === 'in maintenance')
    return { state: 'drained', why: `being stopped: ${absentWords(service, [holder])}${waits}` }
  const what = absence === 'leaving' ? 'being stopped' : 'it stops when the lease is over'
  return { state: 'unassigned', why: `${what}: ${instance} is ${absence}, and there is no other member${waits}` }
}

function freeWords(
  cluster: Cluster,
  assignment: Assignment,
  reports: ReadonlyMap<string, Report>,
  id: string,
  lock: Lock | null,
): Words {
  if (!cluster.partitions.has(id)) return { state: 'removed', why: `no longer in the set; ${whoDeletes(cluster)}` }
  if (cluster.settings.held.includes(id)) {
    return { state: 'held', why: `stopped by hand; watchbill unhold ${cluster.service} ${id} brings it back` }
  }
  const next = assignment.get(id)
  if (next === undefined) return unassigned(cluster)
  if (lock?.clean) return { state: 'starting', why: `on ${next}` }
  const told = reports.get(next)?.[id]
  return { state: 'waiting', why: told ?? `takeover by ${next} within ${seconds(waitOf(cluster, lock))}` }
}

function whoDeletes({ members, service }: Cluster): string {
  if (members.length > 0) return 'its lock is being deleted'
  return `no instance is there to delete its lock: watchbill purge ${service} does, where the service is gone for good`
}

function waitOf(cluster: Cluster, lock: Lock | null): number {
  return lock?.held ? takeoverWait(lock.held.lease, lock.held.grace) : cautiousWait(cluster.terms)
}

/** Why nobody is to have it. */
function unassigned(cluster: Cluster): Words {
  const { members, service, registered } = cluster
  if (members.length === 0) {
    const todo =
      registered.length > 0 ? '' : '; on a machine with its definition: watchbill configure, then consul reload'
    return { state: 'unassigned', why: `no instance takes part${todo}` }
  }
  const absent = members.filter(({ absence }) => absence !== null)
  const list = absentWords(service, absent)
  if (absent.length < members.length) {
    return {
      state: 'unassigned',
      why: `every member has its maxPartitions: raise it, or add an instance${list && `; ${list}`}`,
    }
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
      why: whyHindered(cluster, reports.get(instance)?.[everything], instance),
    }
  })
}

/** What it says of itself, and what Consul's checks say of it. In maintenance mode it is not passing on purpose. */
function whyHindered(cluster: Cluster, told: string | undefined, instance: string): string {
  const { trouble, node = '', maintenance } = cluster.registered.find(one => one.instance === instance) ?? {}
  const own = told ?? cluster.hindrances.get(instance)
  const checks = trouble && !maintenance && !cluster.hindrances.has(instance) ? troubleWords(trouble, node) : null
  return [checks, own].filter(Boolean).join('; ')
}

/** Registered, but it does not take part. */
function stateOutside(cluster: Cluster, instance: string): InstanceStatus['state'] {
  return cluster.registered.find(candidate => candidate.instance === instance)?.passing ? 'joining' : 'not passing'
}
