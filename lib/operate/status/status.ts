/** The status of a service as any agent can see it: each partition and each instance, with a reason in one line. */

import { type Pending, pendingIn, pendingWords } from '../../act/proposal.ts'
import { decode } from '../../base/names.ts'
import { byName } from '../../base/text.ts'
import { type Seen, seenChecks } from '../../checks/seen.ts'
import type { Consul } from '../../consul/http.ts'
import { entriesAt, trees } from '../../consul/kv.ts'
import { isRefusal } from '../../consul/permission.ts'
import { type Session, sessionInfo } from '../../consul/session.ts'
import { type Duty, dutyFrom } from '../../keys/duty.ts'
import { healthOf } from '../../keys/health.ts'
import { isLeftOut, renameAdvice } from '../../keys/new-ids.ts'
import { nothingPublished, type Published, publishedBy } from '../../keys/published.ts'
import { problemsFrom } from '../../keys/renders.ts'
import { parseReport, type Report } from '../../keys/report.ts'
import type { Roll } from '../../keys/roll.ts'
import { type SchedulerDuty, schedulerDutyFrom } from '../../keys/scheduler.ts'
import type { Cluster } from '../../look/cluster.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { versionInForce } from '../../roll/meant.ts'
import { assign, rulesFor, voidEntries } from '../../roster/assignment.ts'
import type { Placement } from '../../roster/rule.ts'
import { versions } from '../../roster/versions.ts'
import { freezeWords, numberProblem, numberRemark, olderWords } from './calm-words.ts'
import { type InstanceStatus, instanceStatuses } from './instances.ts'
import { isolatedWords } from './isolated-words.ts'
import { healthShown, isGood, membersOf, type PartitionStatus, partitionStatus, withChecks } from './partitions.ts'
import { placementWords } from './placement-words.ts'
import { nobodyPowered, type Powered, powerRemark, readPowered, unsafeWords } from './power-words.ts'
import { rollProblems, rollRemark, rollUnderWay } from './roll-words.ts'
import { schedulerWords, voidWords } from './scheduler-words.ts'
import { definitionsWords, foreignKeysWords, settingsWords, tryingWords, unwrittenWords } from './words.ts'

export interface Status {
  readonly service: string
  /** The title from the definition; null when it has none, or nobody takes part. */
  readonly title: string | null
  readonly ok: boolean
  /** One sentence. */
  readonly summary: string
  /** All problems on one line; null when there is none. */
  readonly problem: string | null
  /** Problems of the whole service, not of single partitions, each with its reason and the next step. */
  readonly problems: readonly string[]
  /** A problem that may end by itself; null when there is none. */
  readonly remark: string | null
  /** What to do before agents are upgraded; null for nothing. */
  readonly advice: string | null
  /** The instance that fetches the set, and the problem with the source; null when no instance has ever fetched. */
  readonly source: Pick<Duty, 'by' | 'problem' | 'since'> | null
  /** Who runs the scheduler, its problem, and the plan in force; null when no instance has ever run one. */
  readonly scheduler: (Pick<SchedulerDuty, 'by' | 'problem' | 'since'> & { readonly plan: number | null }) | null
  /** Removals by definitions that nobody has applied yet. */
  readonly pending: readonly Omit<Pending, 'proposals'>[]
  /** The version in force; null when there is none. */
  readonly version: string | null
  /** The roll-out under way; null when there is none. */
  readonly roll: Roll | null
  readonly instances: readonly InstanceStatus[]
  readonly partitions: readonly PartitionStatus[]
}

export async function readStatus(consul: Consul, service: string): Promise<Status> {
  return (await readWhole(consul, service)).status
}

/** A status, and what it was made of. */
export interface Whole {
  readonly status: Status
  readonly cluster: Cluster
  readonly seen: ReadonlyMap<string, Seen>
}

export async function readWhole(consul: Consul, service: string): Promise<Whole> {
  const cluster = await lookAtCluster(consul, service)
  const { keys } = cluster
  const [told, duties, renders, seen, sessions, byRules, published, powered] = await Promise.all([
    trees(consul, [keys.reports]),
    entriesAt(consul, [keys.duty('source'), keys.duty('scheduler')]),
    trees(consul, [keys.renders]),
    seenChecks(consul, service),
    foreignSessions(consul, cluster),
    rulesFor(cluster),
    publishedBy(consul, service),
    readPowered(consul, cluster),
  ])
  const reports = new Map(
    told.flatMap(({ key, value }) => {
      const instance = decode(key.slice(keys.reports.length))
      return instance === null ? [] : [[instance, parseReport(value)] as const]
    }),
  )
  const duty = duties.find(({ key }) => key === keys.duty('source'))
  const scheduler = duties.find(({ key }) => key === keys.duty('scheduler'))
  const roster = assign(cluster, versions, byRules)
  const status = statusOf(cluster, reports, seen, duty && dutyFrom(duty.value), sessions, roster, {
    published,
    scheduler: {
      duty: scheduler === undefined ? null : schedulerDutyFrom(scheduler.value),
      voided: voidEntries(cluster, byRules),
    },
    files: problemsFrom(renders, keys),
    powered,
  })
  return { status, cluster, seen }
}

/** Sessions that hold a lock and belong to no member, which is rare. null for one that the token may not read. */
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
 * Pure. @param reports by instance; @param seen the checks of the partitions' services in the catalog; @param duty who fetches
 * @param sessions the sessions that hold a lock and belong to no member, null for one that cannot be read
 */
export function statusOf(
  cluster: Cluster,
  reports: ReadonlyMap<string, Report>,
  seen: ReadonlyMap<string, Seen> = new Map(),
  duty?: Duty,
  sessions: ReadonlyMap<string, Session | null> = new Map(),
  roster: Placement = assign(cluster),
  {
    published = nothingPublished,
    scheduler = nobodySchedules,
    files = new Map(),
    powered = nobodyPowered,
  }: Beside = {},
): Status {
  const ids = [...new Set([...cluster.partitions, ...cluster.locks.keys()])].sort(byName)
  const seeing = { cluster, roster, reports, sessions, members: membersOf(cluster) }
  const health = healthOf(published.health, cluster.locks)
  const partitions = ids.map(id => {
    const status = partitionStatus(seeing, id)
    const lock = cluster.locks.get(id)
    const version = (lock?.session && lock.held?.version) || null
    const more = { dns: seen.get(id)?.dns ?? null, health: healthShown(health.get(id)), version }
    return { ...withChecks(cluster.service, status, seen.get(id)), ...more }
  })
  const good = partitions.filter(isGood).length
  const instances = instanceStatuses(cluster, roster.placed, reports, published.summaries)
  const hindrances = instances.flatMap(({ instance, why }) => (why ? [`${instance} ${why}`] : []))
  const { by, problem: fault = null, since = null, trying = null } = duty ?? {}
  const inForce = isLeftOut(fault) ? '' : '; the last good set stays in force'
  const stale = fault === null ? null : `${fault} (since ${since}${inForce})`
  const tried = trying && fault === null ? tryingWords(trying) : null
  const pending = pendingIn(cluster)
  const found = [
    ...[
      settingsWords(cluster),
      numberProblem(cluster),
      olderWords(cluster),
      ...placementWords(cluster),
      ...schedulerWords(cluster, scheduler.duty),
      ...rollProblems(cluster),
      ...unsafeWords(powered),
      ...pending.map(one => pendingWords(cluster.service, one, pending.length > 1)),
      stale,
    ],
    ...[cluster.defined ? null : tried, definitionsWords(cluster.members), foreignKeysWords(cluster), ...hindrances],
    ...[...files].flatMap(([instance, some]) => some.map(problem => `${instance}: ${problem}`)),
  ]
  const problems = found.filter(problem => problem !== null)
  return {
    service: cluster.service,
    title: titleOf(cluster),
    ok: cluster.defined && good === partitions.length && problems.length === 0,
    summary: summaryOf(cluster, partitions),
    problem: problems.join('; ') || null,
    problems,
    remark:
      [
        ...[cluster.defined ? tried : null, numberRemark(cluster), rollRemark(cluster)],
        voidWords(cluster, scheduler.voided),
        powerRemark(powered, cluster),
        isolatedWords(cluster),
      ]
        .filter(Boolean)
        .join('; ') || null,
    advice: renameAdvice(cluster, ids),
    source: by === undefined ? null : { by, problem: fault, since },
    scheduler: schedulerIn(cluster, scheduler),
    pending: pending.map(({ proposals: _, ...one }) => one),
    version: versionInForce(cluster),
    roll: rollUnderWay(cluster),
    instances,
    partitions,
  }
}

/** What stands in Consul beside the cluster; each part may be left out. */
export interface Beside {
  /** What the instances say of themselves. */
  readonly published?: Published
  readonly scheduler?: Scheduled
  /** What is wrong with rendered files, by instance. */
  readonly files?: ReadonlyMap<string, readonly string[]>
  readonly powered?: Powered
}

/** What is known of the scheduler, beside the cluster. */
export interface Scheduled {
  readonly duty: SchedulerDuty | null
  /** The entries of the plan that do not count now; null when no plan counts. */
  readonly voided: ReadonlyMap<string, string> | null
}

const nobodySchedules: Scheduled = { duty: null, voided: null }

function schedulerIn({ ownPlan: { plan } }: Cluster, { duty }: Scheduled): Status['scheduler'] {
  if (duty === null) return null
  return { by: duty.by, problem: duty.problem, since: duty.since, plan: plan?.revision ?? null }
}

/** Definitions may differ while they are being changed: take the first member's title. */
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
  return `${name}: ${freezeWords(cluster)}${cluster.partitions.size} partitions on ${members} members; ${states || 'nothing to run'}`
}
