/**
 * One consistent look at Consul and at the state directory, frozen. Everything that a decision needs is in it; roster
 * and plan read nothing else.
 */
import { existsSync } from 'node:fs'
import { bootClock, bootId } from '../base/clock.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt } from '../consul/kv.ts'
import type { Definition } from '../definition/definition.ts'
import { type Away, awaited } from '../keys/away.ts'
import { type Lock, waitOf } from '../keys/lock.ts'
import type { Settings } from '../keys/settings.ts'
import { readTerms, rememberedTerms } from '../keys/terms.ts'
import { type Own, ownFrom } from '../keys/versions.ts'
import { readFact } from '../state/facts.ts'
import { instanceLease } from '../state/lease.ts'
import { type Local, localFacts, type Terms } from '../state/local.ts'
import { type InstanceFiles, localPartitions } from '../state/paths.ts'
import { withReadiness } from '../state/ready.ts'
import { mustBeRenewable } from '../state/twice.ts'
import type { Cluster } from './cluster.ts'
import { type FreeLock, readFree, refreshFree } from './free.ts'
import { lookAtCluster } from './read-cluster.ts'
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
