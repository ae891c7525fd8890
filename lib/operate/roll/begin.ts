/** Begins a roll-out: a version, or a restart of everything, step by step. */
import { randomId } from '../../base/clock.ts'
import { Permanent, Temporary } from '../../base/errors.ts'
import { shellWord } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import { isVersion, versionWords } from '../../base/version.ts'
import type { Consul } from '../../consul/http.ts'
import { base64, entriesAt } from '../../consul/kv.ts'
import { allowsAt } from '../../definition/version.ts'
import { recorded } from '../../keys/asked.ts'
import type { Member } from '../../keys/member.ts'
import { isGarbled, isOver, type Roll, rollFrom, rollValue } from '../../keys/roll.ts'
import { changeSettings, mostOnly } from '../../keys/settings.ts'
import type { Cluster } from '../../look/cluster.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { whoAsks } from '../../program/operator.ts'
import { covers } from '../../roll/meant.ts'
import { nameOf } from '../../roll/words.ts'
import type { RollOptions } from './options.ts'

/** What is begun, and how many units it is for; nothing when everything runs in that version already. */
export interface Begun {
  readonly roll: Roll | null
  readonly units: number
}

/**
 * @param to the version; null to start everything anew in the version that it has
 * @throws Permanent when another roll-out is under way, a member knows none, or the version is not allowed; Temporary when others
 * keep changing the settings, or Consul is away
 */
export async function beginRoll(
  consul: Consul,
  service: string,
  to: string | null,
  options: RollOptions,
  dryRun: boolean,
): Promise<Begun> {
  const cluster = await lookAtCluster(consul, service)
  const { keys, settings } = cluster
  const what = to === null ? `cannot restart ${service} step by step` : `cannot roll ${service} to ${to}`
  const [entry] = await entriesAt(consul, [keys.roll])
  const before = rollFrom(entry)
  if (settings.roll !== undefined && before !== null && !isGarbled(before) && !isOver(before))
    throw new Permanent(
      `${what}: a ${nameOf(before)} is under way since ${before.since}, by ${before.by}; see watchbill roll ${shellWord(service)} --status`,
    )
  const members = cluster.members.filter(({ absence }) => absence !== 'leaving')
  mustKnow(what, service, members, to)
  const unit = members.some(({ per }) => per === 'instance') ? 'instance' : 'partition'
  mustFit(what, cluster, options.only, unit, to)
  if (to !== null && isInForce(cluster, to, options.only)) return { roll: null, units: 0 }
  const at = new Date().toISOString()
  const state = { state: 'preparing', before: null, step: 0, cursor: null, skipped: [], again: [], round: 0 } as const
  const by = await (consul.by?.() ?? whoAsks(consul)).catch(() => 'somebody')
  const who = { from: settings.version ?? '', by, since: at, changed: at, why: null }
  const of = unit === 'instance' ? members.length : concerned(cluster, options.only).length
  const roll: Roll = { id: randomId(), to, unit, ...options, ...state, ...who, reached: 0, of }
  if (dryRun) return { roll, units: of }
  const record = {
    Verb: 'cas',
    Key: keys.roll,
    Index: entry?.modifyIndex ?? 0,
    Value: base64(rollValue(roll)),
  } as const
  const isFree = (named: typeof settings.roll) => named === undefined || named.id === settings.roll?.id
  const { changed } = await changeSettings(
    consul,
    keys,
    now => {
      if (!isFree(now.roll))
        throw new Temporary(`${what}: another one has just begun; see watchbill roll ${shellWord(service)}`)
      return { ...now, roll: { id: roll.id, to } }
    },
    { along: [record, ...(await recorded(consul, keys, [{ what: 'roll-out begun', why: nameOf(roll) }]))] },
  )
  if (!changed) throw new Temporary(`${what}: the settings were changed meanwhile; try again`)
  return { roll, units: of }
}

/** @throws Permanent that names the members which cannot take part in it */
function mustKnow(what: string, service: string, members: readonly Member[], to: string | null): void {
  if (members.length === 0)
    throw new Permanent(`${what}: no instance takes part; see watchbill status ${shellWord(service)}`)
  const named = (of: readonly Member[]) => listed(of.map(({ instance }) => instance))
  const older = members.filter(({ rolls }) => !rolls)
  if (older.length > 0)
    throw new Permanent(`${what}: the release on ${named(older)} knows nothing of roll-outs; upgrade it first`)
  if (to === null) return
  if (!isVersion(to)) throw new Permanent(`${what}: that is no version; give ${versionWords}`)
  const without = members.filter(({ versions }) => versions === undefined)
  if (without.length > 0)
    throw new Permanent(`${what}: the definition of ${named(without)} has no "versions"; say there which are allowed`)
  const refusing = members.filter(({ versions }) => !allowsAt(versions?.pattern ?? '', to))
  if (refusing.length > 0)
    throw new Permanent(
      `${what}: it does not fit versions.pattern of ${named(refusing)}, ${refusing[0]?.versions?.pattern}; give a version that does`,
    )
}

function concerned({ partitions }: Cluster, only: string | null): string[] {
  return [...partitions].filter(id => covers({ only }, id))
}

/** @throws Permanent */
function mustFit(what: string, cluster: Cluster, only: string | null, unit: Roll['unit'], to: string | null): void {
  if (only === null) return
  if (unit === 'instance')
    throw new Permanent(
      `${what}: one process has all partitions of an instance, so they cannot differ; leave --only out`,
    )
  if (concerned(cluster, only).length === 0)
    throw new Permanent(`${what}: no partition fits ${only}; see watchbill partitions ${shellWord(cluster.service)}`)
  const own = cluster.settings.only ?? []
  if (to !== null && own.length >= mostOnly && own.every(one => one.partitions !== only))
    throw new Permanent(
      `${what}: ${mostOnly} groups of partitions have versions of their own already; roll all to one version`,
    )
}

/** Everything that it would be for runs in this version, and would be started in it. */
function isInForce(cluster: Cluster, to: string, only: string | null): boolean {
  const { settings, locks } = cluster
  if (only !== null || settings.version !== to || (settings.only ?? []).length > 0) return false
  return [...locks.values()].every(({ held }) => held === null || held.version === to)
}
