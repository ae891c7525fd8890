/**
 * One consistent look at Consul and at the state directory, frozen. Everything that a decision needs is in it; roster
 * and plan read nothing else.
 */
import { existsSync } from 'node:fs'
import { bootClock, bootId } from '../base/clock.ts'
import { decode, type Keys, keyRefusal, keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { registeredNow } from '../consul/instances.ts'
import { apartBelow, type Entry, entriesAt, keysBelow, takesKeys, trees } from '../consul/kv.ts'
import type { Definition } from '../definition/definition.ts'
import { pointersOf } from '../definition/rules.ts'
import { type Away, awaited, awayFrom } from '../keys/away.ts'
import { coolDowns } from '../keys/cool-down.ts'
import { countFrom } from '../keys/count.ts'
import { freezeFrom } from '../keys/freeze.ts'
import { type Lock, lockFrom, waitOf } from '../keys/lock.ts'
import { hindrancesFrom, isAnyAssigning, lostFrom, memberIn, membersFrom, rostersFrom } from '../keys/member.ts'
import type { FoundPlan } from '../keys/own-plan.ts'
import { hasRules, type PlacementInForce, placementFrom } from '../keys/placement.ts'
import { proposalsFrom } from '../keys/proposed.ts'
import type { Garbled, RollInForce } from '../keys/roll.ts'
import { defaults, type Settings, settingsFrom } from '../keys/settings.ts'
import { readTerms, rememberedTerms, termsLeft } from '../keys/terms.ts'
import { type Own, ownFrom, withUnprepared } from '../keys/versions.ts'
import { readFact } from '../state/facts.ts'
import { instanceLease } from '../state/lease.ts'
import { type Local, localFacts, type Terms } from '../state/local.ts'
import { type InstanceFiles, localPartitions } from '../state/paths.ts'
import { withReadiness } from '../state/ready.ts'
import { mustBeRenewable } from '../state/twice.ts'
import type { Cluster } from './cluster.ts'
import { type Expected, mustBeComplete } from './complete.ts'
import { type FreeLock, readFree, refreshFree } from './free.ts'
import { doubtful, isExplained, readSeenHeld, refreshSeenHeld, type SeenHeld, withDoubts } from './seen-held.ts'
import { type Stood, stoodSince } from './stood.ts'

/** What one instance sees. Times are boot-clock ms. */
export interface Snapshot extends Cluster {
  readonly instance: string
  readonly definition: Definition
  /** Its digest, which stands in the member key. */
  readonly digest: string
  /** The digest of what all machines are to have in common. */
  readonly shared?: string
  /** The start of the look. */
  readonly now: number
  /** This instance's session, when it lives and holds the member key; otherwise null. */
  readonly session: string | null
  readonly local: ReadonlyMap<string, Local>
  /** The instance's lease runs: its guard works. */
  readonly leaseRuns: boolean
  /** Its lease can be written; only tried where that decides whether it takes part. */
  readonly renewable: boolean
  /** Since when each lock that is neither held nor clean has been seen so. */
  readonly free: ReadonlyMap<string, FreeLock>
  /** The longest L and G that this instance has seen, also of those who are gone: see keys/terms.ts. */
  readonly longestTerms: Terms
  /** Locks that this instance last saw held. Those that reappeared without a hand-over count as unclean in `locks`. */
  readonly seenHeld: SeenHeld
  /** Since when something has stood that has to stand for a while: see stood.ts. */
  readonly stood: Stood
  /** Digest of the partitions that this instance wrote last; null when it never did. */
  readonly definedLast: string | null
  /** Digest of the definition in which documents last found no command; null where they choose none. */
  readonly chosen: string | null
  /** What this instance proposed last: see keys/proposed.ts; null when nothing is proposed. */
  readonly proposed: string | null
  /** The versions that this instance has prepared; left out where nothing has to be prepared. */
  readonly own?: Own
}

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

/** The number of held locks from which a look is read compressed. For fewer, loading zlib (2 to 4 ms) costs more than it saves. */
const many = 1000

/** The cluster and this instance's own facts. */
export async function takeSnapshot(
  consul: Consul,
  instance: string,
  { definition, digest, shared }: Pick<Snapshot, 'definition' | 'digest' | 'shared'>,
  files: InstanceFiles,
  lastGood: Settings,
): Promise<Snapshot> {
  const now = bootClock()
  const here = localPartitions(files).filter(id => existsSync(files.partition(id).acquisition))
  const expected = { partitions: here, instances: [instance] }
  const before = readSeenHeld(files.seenHeld)
  const seen = await lookAtCluster(consul, definition.name, lastGood, expected, before.size >= many, {
    placement: () => readFact(files.placement),
    plan: () => readFact(files.plan),
  })
  const { cluster, seenHeld } = await doubted(consul, seen, before)
  const own = { lease: definition.leaseMs, grace: definition.stop.graceMs }
  const longestTerms = rememberedTerms(readTerms(files.terms), cluster, own)
  const session = readFact(files.session)
  const member = cluster.members.find(member => member.instance === instance)
  const read = bootClock()
  const t0 = instanceLease(files, read)
  // A wait counts from after the look that found the lock free, and is compared with the start of a later one.
  const free = refreshFree(readFree(files, bootId(), now), unattended(cluster), read)
  const local = withReadiness(files, localFacts(files, t0, read), definition)
  return Object.freeze({
    ...cluster,
    away: stillAwaited(cluster, free, now),
    terms: [...cluster.terms, longestTerms],
    longestTerms,
    seenHeld,
    instance,
    definition,
    digest,
    ...(shared !== undefined && { shared }),
    now,
    session: session !== null && member?.session === session ? session : null,
    local: definition.render === undefined ? local : await withAwaited(files, local, definition, read),
    leaseRuns: t0 !== null && t0 + definition.leaseMs > read,
    renewable: (session !== null && member?.absence !== 'leaving') || isRenewable(files),
    free,
    stood: stoodSince(files, bootId(), cluster, definition, read),
    definedLast: readFact(files.defined),
    chosen: definition.run.choose === undefined ? null : readFact(files.chosen),
    proposed: readFact(files.proposed),
    ...(definition.versions?.prepare && { own: ownFrom(readFact(files.versions)) }),
  })
}

/** Most services render no files before a start. */
async function withAwaited(
  files: InstanceFiles,
  local: ReadonlyMap<string, Local>,
  definition: Definition,
  now: number,
): Promise<ReadonlyMap<string, Local>> {
  const { mustRenderFirst, withRenders } = await import('../state/renders.ts')
  return mustRenderFirst(definition) ? withRenders(files, local, now) : local
}

/** A lock is seldom in doubt. Only then its partition's key is read. */
async function doubted(consul: Consul, cluster: Cluster, before: SeenHeld) {
  const { keys, partitions, defined } = cluster
  const ids = doubtful(before, cluster.locks)
  const entries = ids.length > 0 ? await entriesAt(consul, ids.map(keys.partition)) : []
  const made = new Map(entries.map(({ key, createIndex }) => [key, createIndex]))
  const isInDoubt = (id: string) =>
    !isExplained(before.get(id), cluster.locks.get(id) as Lock, made.get(keys.partition(id)))
  const doubts = new Set(ids.filter(isInDoubt))
  const locks = withDoubts(cluster.locks, doubts)
  const isRemoved = (id: string) => !partitions.has(id)
  return { cluster: { ...cluster, locks }, seenHeld: refreshSeenHeld(before, locks, { doubts, isRemoved, defined }) }
}

/** Those who are away: `waitMs` is 0 once nothing waits for one any longer, and its share is no longer kept. */
function stillAwaited(
  { away, locks }: Cluster,
  free: ReadonlyMap<string, FreeLock>,
  now: number,
): ReadonlyMap<string, Away> {
  if ([...away.values()].every(({ waitMs }) => waitMs === 0)) return away
  const waiting = new Set<string>()
  for (const [id, lock] of locks) {
    const one = awaited(lock, away)
    const since = free.get(id)?.since ?? now
    if (one !== null && since + Math.max(one.waitMs, waitOf(lock, [])) > now) waiting.add(one.instance)
  }
  return new Map([...away].map(([instance, one]) => [instance, waiting.has(instance) ? one : { ...one, waitMs: 0 }]))
}

function isRenewable({ lease }: InstanceFiles): boolean {
  try {
    mustBeRenewable(lease)
    return true
  } catch {
    return false // the guard says why
  }
}

/** Locks that nobody holds and nobody gave back cleanly, with their ModifyIndex. */
function unattended(cluster: Cluster): Map<string, number> {
  const found = new Map<string, number>()
  for (const [id, lock] of cluster.locks) if (lock.session === null && !lock.clean) found.set(id, lock.modifyIndex)
  for (const id of cluster.unusable) found.delete(id) // this agent can never claim it
  return found
}
