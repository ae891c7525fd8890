/** Reads the cluster from Consul: everything of one service at one moment, for whoever asks. */
import { decode, type Keys, keyRefusal, keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { registeredNow } from '../consul/instances.ts'
import { apartBelow, type Entry, entriesAt, keysBelow, takesKeys, trees } from '../consul/kv.ts'
import { pointersOf } from '../definition/rules.ts'
import { awayFrom } from '../keys/away.ts'
import { coolDowns } from '../keys/cool-down.ts'
import { countFrom } from '../keys/count.ts'
import { freezeFrom } from '../keys/freeze.ts'
import { lockFrom } from '../keys/lock.ts'
import { hindrancesFrom, isAnyAssigning, lostFrom, memberIn, membersFrom, rostersFrom } from '../keys/member.ts'
import type { FoundPlan } from '../keys/own-plan.ts'
import { hasRules, type PlacementInForce, placementFrom } from '../keys/placement.ts'
import { proposalsFrom } from '../keys/proposed.ts'
import type { Garbled, RollInForce } from '../keys/roll.ts'
import { defaults, type Settings, settingsFrom } from '../keys/settings.ts'
import { termsLeft } from '../keys/terms.ts'
import { withUnprepared } from '../keys/versions.ts'
import type { Cluster } from './cluster.ts'
import { type Expected, mustBeComplete } from './complete.ts'

/** What an instance keeps of its earlier looks; read only where it is needed. */
export interface Kept {
  /** The last good rules of placement. */
  readonly placement: () => string | null
  /** The parts of the last plan. */
  readonly plan: () => string | null
}

const nothingKept: Kept = { placement: () => null, plan: () => null }

/**
 * Reads the cluster: the locks, the members and the settings at one index, the ids without their documents.
 * @param lastGood settings to go on with when those in Consul are garbled
 * @param own what the asking instance knows must be there
 * @param large there are many keys: what is read comes compressed
 * @param kept what the asking instance remembers of earlier looks
 * @throws Temporary when any part cannot be read: half a look is none; Denied when the token may not read all of it
 */
export async function lookAtCluster(
  consul: Consul,
  service: string,
  lastGood: Settings = defaults,
  own: Expected = { partitions: [], instances: [] },
  large = false,
  kept: Kept = nothingKept,
): Promise<Cluster> {
  const keys = keysOf(service)
  const prefixes = [keys.locks, keys.members, keys.spec, keys.restarts, keys.coolDowns, keys.proposals]
  const entries = await trees(consul, prefixes, large)
  // After the locks: a partition that comes in between lacks its lock for this look, and no lock lacks its partition.
  const ids = await keysBelow(consul, keys.partitions, large)
  const { registered, index: healthIndex } = await registeredNow(consul, service, large)
  const below = apartBelow(entries, prefixes)
  const [lockEntries = [], memberEntries = [], spec = [], restarts = [], coolingDown = [], proposals = []] = below
  const locks = byId(lockEntries, keys.locks, lockFrom)
  const at = (wanted: string) => spec.find(({ key }) => key === wanted)
  const text = at(keys.settings)?.value ?? null
  const revision = at(keys.revision)
  const epochSeen = [...locks.values()].reduce((highest, { epoch }) => Math.max(highest, epoch), 0)
  const { settings, problem, fallen } = settingsFrom(text, lastGood, epochSeen)
  const rules = at(keys.placement)?.value ?? null
  const { placement, problem: placementProblem } = placementFrom(rules, kept.placement)
  const left = termsLeft(at(keys.terms)?.value ?? null)
  const { partitions, foreign } = partitionsFrom(ids, keys)
  const members = membersFrom(memberEntries, keys.members, registered, settings)
  const cluster: Cluster = {
    service,
    keys,
    registered,
    healthIndex,
    members: withUnprepared(members, locks, settings),
    rosters: rostersFrom(memberEntries, keys.members, registered),
    hindrances: hindrancesFrom(memberEntries, keys.members),
    lost: lostFrom(memberEntries, keys.members, registered),
    away: awayFrom(memberEntries, keys.members, registered, settings),
    count: countFrom(at(keys.number)),
    freeze: freezeFrom(at(keys.freeze)),
    ...(settings.roll && { roll: await readRoll(consul, keys) }),
    terms: [...memberEntries.map(({ value }) => memberIn(value)), ...left],
    partitions,
    foreign,
    locks,
    unusable: new Set(),
    restarts: byId(restarts, keys.restarts, ({ modifyIndex }) => modifyIndex),
    documentsIndex: at(keys.documents)?.modifyIndex ?? null,
    settings,
    coolDowns: coolDowns(coolingDown, keys.coolDowns, Date.now()),
    settingsProblem: problem,
    placement,
    placementProblem,
    ownPlan: await ownPlanFor(consul, keys, at(keys.plan), kept.plan),
    anyAssigning: isAnyAssigning(memberEntries, keys.members, registered),
    ...(await traitsFor(consul, keys, placement)),
    fallenEpoch: fallen,
    defined: revision !== undefined,
    revision: revision?.modifyIndex ?? 0,
    proposals: proposalsFrom(proposals, keys),
    index: entries.reduce((highest, { modifyIndex }) => Math.max(highest, modifyIndex), 0),
  }
  await mustBeComplete(consul, cluster, own)
  return { ...cluster, unusable: await unusableIn(consul, cluster, own) }
}

/** Most services have no scheduler, and load nothing for it. */
async function ownPlanFor(
  consul: Consul,
  keys: Keys,
  pointer: Entry | undefined,
  last: Kept['plan'],
): Promise<FoundPlan> {
  if (pointer === undefined) return { pointer: null, plan: null, problem: null, text: null, index: 0 }
  const { findPlan } = await import('../keys/own-plan.ts')
  return findPlan(consul, keys, pointer, last)
}

/** Read after the restarts: who sees a request of the roll-out also sees for what. */
async function readRoll(consul: Consul, keys: Keys): Promise<RollInForce | Garbled | null> {
  const [entry] = await entriesAt(consul, [keys.roll])
  return (await import('../keys/roll.ts')).rollFrom(entry)
}

/** What the rules need of documents. Where they need none, it is not asked for. */
async function traitsFor(
  consul: Consul,
  keys: Keys,
  placement: PlacementInForce | null,
): Promise<Pick<Cluster, 'traits' | 'traitsMark'>> {
  const pointers = hasRules(placement) ? pointersOf(placement.rules) : []
  if (pointers.length === 0) return { traits: new Map(), traitsMark: '' }
  const { readTraits, traitsBy } = await import('../keys/traits.ts')
  const found = await readTraits(consul, keys)
  return { traits: traitsBy(found, pointers), traitsMark: found.mark }
}

/** The keys below a prefix, read, by the id in each name. A foreign key is left out: its name holds no id. */
function byId<T>(entries: readonly Entry[], prefix: string, read: (entry: Entry) => T): Map<string, T> {
  const found = new Map<string, T>()
  for (const entry of entries) {
    const id = decode(entry.key.slice(prefix.length))
    if (id !== null) found.set(id, read(entry))
  }
  return found
}

function partitionsFrom(names: readonly string[], keys: Keys): Pick<Cluster, 'foreign'> & { partitions: Set<string> } {
  const partitions = new Set<string>()
  const foreign: string[] = []
  for (const key of names) {
    const id = decode(key.slice(keys.partitions.length))
    if (id === null) foreign.push(key)
    else partitions.add(id)
  }
  return { partitions, foreign }
}

/** Partitions whose keys this agent refuses. Most services have no doubtful id, and then Consul is not asked. */
async function unusableIn(consul: Consul, { keys, partitions, locks }: Cluster, own: Expected): Promise<Set<string>> {
  const isDoubtful = (id: string) => keyRefusal(keys.lock(id)) !== null
  const doubtful = new Set([partitions, locks.keys(), own.partitions].flatMap(ids => [...ids].filter(isDoubtful)))
  return (await takesKeys(consul, [...doubtful].map(keys.lock))) ? new Set() : doubtful
}
