/** The state of each partition of a service, and the reason in one line. Pure. */

import { seconds } from '../../base/clock.ts'
import { shellWord, shellWords } from '../../base/printable.ts'
import type { Seen } from '../../checks/seen.ts'
import { type Session, sessionName } from '../../consul/session.ts'
import type { PartitionHealth } from '../../keys/health.ts'
import { type Lock, waitOf } from '../../keys/lock.ts'
import type { Member } from '../../keys/member.ts'
import { keyRefused } from '../../keys/new-ids.ts'
import type { Report } from '../../keys/report.ts'
import type { Cluster } from '../../look/cluster.ts'
import { frozenLost } from '../../roster/calm/frozen.ts'
import type { Placement } from '../../roster/rule.ts'
import { noMember, noRoom } from '../../roster/rules/balance.ts'
import { isCrashLooping, isFinished } from '../../state/shepherd-status.ts'
import { frozenWords, keptWords } from './calm-words.ts'
import { absentWords, crashWords, foreignLock, logsLine } from './words.ts'

/** Those that need a person first. */
export const states = [
  'crash-looping',
  'failing',
  'critical',
  'unassigned',
  'waiting',
  'drained',
  'moving',
  'starting',
  'held',
  'finished',
  'removed',
  'running',
] as const

export type State = (typeof states)[number]

export interface PartitionStatus {
  readonly partition: string
  /** Who holds it; null when nobody does. */
  readonly instance: string | null
  readonly state: State
  readonly why: string
  /** Wall clock of the acquisition; null when nobody holds it. */
  readonly since: string | null
  /** The DNS name of its owner; null when it has no port. */
  readonly dns: string | null
  /** What its holder has published of its process; null when nothing, or only of an earlier acquisition. */
  readonly health: HealthShown | null
  /** The version that its process runs with; null when nobody holds it, or the service has none. */
  readonly version: string | null
}

/** Times are ISO, by the wall clock of the holder. */
export interface HealthShown {
  /** When its process was started; null when none runs. */
  readonly started: string | null
  /** Since when it is ready and its checks are passing; null when it is not. */
  readonly ready: string | null
  readonly restarts: number
}

type NoDns = Omit<PartitionStatus, 'dns' | 'health' | 'version'>

type Words = Pick<PartitionStatus, 'state' | 'why'>

/** The input for a partition's state. */
export interface Seeing {
  readonly cluster: Cluster
  readonly roster: Placement
  readonly reports: ReadonlyMap<string, Report>
  readonly sessions: ReadonlyMap<string, Session | null>
  readonly members: Members
}

/** Those of the cluster, found without a search: there are as many searches as partitions. */
export interface Members {
  readonly bySession: ReadonlyMap<string, Member>
  readonly absent: ReadonlyMap<string, Member>
}

export function membersOf({ members }: Cluster): Members {
  const first = members.toReversed() // of a name that comes twice
  return {
    bySession: new Map(first.map(member => [member.session, member])),
    absent: new Map(first.filter(({ absence }) => absence !== null).map(member => [member.instance, member])),
  }
}

export function healthShown(health: PartitionHealth | undefined): HealthShown | null {
  if (health === undefined) return null
  const { at, startedFor, readyFor, restarts } = health
  const from = (age: number | null) => (age === null ? null : new Date(Date.parse(at) - age).toISOString())
  return { started: from(startedFor), ready: from(readyFor), restarts }
}

/** Whether the partition is as it should be. A held one is so once nobody runs it any more. */
export function isGood({ state, instance }: PartitionStatus): boolean {
  return state === 'running' || state === 'finished' || (state === 'held' && instance === null)
}

export function partitionStatus(seeing: Seeing, id: string): NoDns {
  const { cluster, roster, reports, members } = seeing
  const lock = cluster.locks.get(id) ?? null
  const holder = lock?.session ? holderOf(members, lock) : null
  const words = cluster.unusable.has(id)
    ? ({ state: 'failing', why: keyRefused(cluster, id) } as const)
    : lock?.session
      ? (foreignWords(seeing, lock) ?? heldWords(seeing, id, holder))
      : freeWords(cluster, roster, reports, id, lock)
  return { partition: id, instance: holder, ...words, since: lock?.session ? (lock.held?.since ?? null) : null }
}

function holderOf({ bySession }: Members, { session, held }: Lock): string | null {
  return bySession.get(session ?? '')?.instance ?? held?.instance ?? null
}

/**
 * The words for a lock that a foreign session holds; null when the session is the instance's own, even if it does not hold
 * its member key (any more, or yet): nobody has to end such a session.
 */
function foreignWords({ sessions }: Seeing, { session, held }: Lock): Words | null {
  const info = session === null ? undefined : sessions.get(session)
  if (session === null || info === undefined) return null
  if (held && info?.Name === sessionName(held.instance)) return null
  return { state: 'failing', why: foreignLock(session, info) }
}

function heldWords({ cluster, roster, reports, members }: Seeing, id: string, holder: string | null): Words {
  const remark = holder === null ? undefined : reports.get(holder)?.[id]
  const waits = remark?.startsWith('waits') ? `; ${remark}` : ''
  if (!cluster.partitions.has(id)) return { state: 'removed', why: `no longer in the set; being stopped${waits}` }
  if (cluster.settings.held.includes(id)) return { state: 'held', why: `being stopped, by hand${waits}` }
  const next = roster.placed.get(id)
  const absent = members.absent.get(holder ?? '')
  if (next === undefined && absent) return nowhereElse(cluster, absent, waits)
  if (next !== holder)
    return { state: 'moving', why: `to ${next ?? 'nobody'}${absent ? `: ${holder} is ${absent.absence}` : ''}${waits}` }
  if (remark?.startsWith('waits for its process')) return { state: 'failing', why: remark }
  if (remark?.startsWith('queued')) return { state: 'starting', why: remark }
  if (remark === undefined || /^(takeover|waits)\b/.test(remark)) return { state: 'running', why: '' }
  if (remark.startsWith('warning: ')) return { state: 'running', why: remark }
  if (remark.startsWith('starting: ')) return { state: 'starting', why: remark.slice('starting: '.length) }
  if (isCrashLooping(remark)) {
    const why = crashWords(cluster.service, id, holder, remark.slice('crash-looping '.length))
    return { state: 'crash-looping', why }
  }
  if (isFinished(remark)) return { state: 'finished', why: remark.slice('finished: '.length) }
  if (remark.startsWith('stays here: ')) return { state: 'critical', why: remark }
  return { state: 'failing', why: remark.replace(/^failing: /, '') }
}

/** The holder must give the partition up, and no other member can take it. */
function nowhereElse({ service }: Cluster, holder: Member, waits: string): Words {
  const { instance, absence } = holder
  if (absence === 'drained' || absence === 'in maintenance')
    return { state: 'drained', why: `being stopped: ${absentWords(service, [holder])}${waits}` }
  const what = absence === 'leaving' ? 'being stopped' : 'it stops when the lease is over'
  return { state: 'unassigned', why: `${what}: ${instance} is ${absence}, and there is no other member${waits}` }
}

function freeWords(
  cluster: Cluster,
  roster: Placement,
  reports: ReadonlyMap<string, Report>,
  id: string,
  lock: Lock | null,
): Words {
  if (!cluster.partitions.has(id)) return { state: 'removed', why: `no longer in the set; ${whoDeletes(cluster)}` }
  if (cluster.settings.held.includes(id)) {
    return {
      state: 'held',
      why: `stopped by hand; watchbill unhold ${shellWords(cluster.service, id)} brings it back`,
    }
  }
  const next = roster.placed.get(id)
  if (roster.unplaced.get(id) === frozenLost) return { state: 'waiting', why: frozenWords(cluster, lock) }
  if (next === undefined) return unassigned(cluster, roster.unplaced.get(id) as string)
  if (lock !== null && cluster.away.has(next)) return { state: 'waiting', why: keptWords(cluster, lock) }
  if (lock?.clean) return { state: 'starting', why: `on ${next}` }
  const told = reports.get(next)?.[id]
  return { state: 'waiting', why: told ?? `takeover by ${next} within ${seconds(waitOf(lock, cluster.terms))}` }
}

function whoDeletes({ members, service }: Cluster): string {
  if (members.length > 0) return 'its lock is being deleted'
  return `no instance is there to delete its lock: watchbill purge ${shellWord(service)} does, where the service is gone for good`
}

/** Why no member gets the partition. @param why the roster's reason */
function unassigned(cluster: Cluster, why: string): Words {
  const { members, service, registered } = cluster
  if (members.length === 0) {
    const todo =
      registered.length > 0 ? '' : '; on a machine with its definition: watchbill configure, then consul reload'
    return { state: 'unassigned', why: `no instance takes part${todo}` }
  }
  const list = absentWords(
    service,
    members.filter(({ absence }) => absence !== null),
  )
  if (why === noMember) {
    const drained = members.every(({ absence }) => absence === 'drained' || absence === 'in maintenance')
    return { state: drained ? 'drained' : 'unassigned', why: list }
  }
  const advice = why === noRoom ? ': raise it, or add an instance' : ''
  return { state: 'unassigned', why: `${why}${advice}${list && `; ${list}`}` }
}

/** Adds the result of the partition's own checks: only while it runs, and only from the instance that runs it. */
export function withChecks(service: string, status: NoDns, seen: Seen | undefined): NoDns {
  if (seen === undefined || seen.why === '' || seen.instance !== status.instance) return status
  if (status.state !== 'running') return status
  if (seen.status !== 'critical') return { ...status, why: seen.why }
  return { ...status, state: 'critical', why: `${seen.why}; ${logsLine(service, status.partition, status.instance)}` }
}
