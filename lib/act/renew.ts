/** The guard's work: prove by a consistent read that each assumed lock is still held, and extend the lease. */
import { bootClock } from '../base/clock.ts'
import { reason, Temporary } from '../base/errors.ts'
import { fieldsIn } from '../base/json.ts'
import { keysOf } from '../base/names.ts'
import { base64, type Entry, look, transact, transactionLimit } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { missingPermission } from '../consul/permission.ts'
import { apart, unlessRefused } from '../consul/refused-key.ts'
import { renewSession } from '../consul/session.ts'
import { LockBusy } from '../state/exclusively.ts'
import { readFact } from '../state/facts.ts'
import { extendLease, instanceLease, lastProof, never, type PartitionLease, partitionLease } from '../state/lease.ts'
import { changingLeases } from '../state/lease-lock.ts'
import { acquisitionOf, type Local } from '../state/local.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Run } from '../state/self.ts'
import { lengthen, writePartitionLeases } from '../state/worker-lease.ts'

/** A Run without a log: what the guard finds becomes the output of its check. */
export type Guarded = Omit<Run, 'log'>

export interface Renewal {
  /** Partitions whose lock is still held exactly as it was acquired. */
  readonly proved: readonly string[]
  /** Partitions whose lock is not: their lease counts from the last proof and is no longer renewed ("pinned"). */
  readonly lost: readonly string[]
  /** Lost partitions whose keys this agent refuses: it can neither prove nor release their locks. */
  readonly unusable: readonly string[]
  /** How often the lock of each proved partition was acquired, on any machine, as Consul counts. */
  readonly acquired: ReadonlyMap<string, number>
  /** The session lives on this node and holds the member key. */
  readonly member: boolean
  /** The permission that was missing to renew the session; null when it was renewed. */
  readonly missing: string | null
  /** The node where the session lives instead; left out when it lives on this one. */
  readonly elsewhere?: string
}

/**
 * Checks all assumed locks, pins the leases of the lost ones, then extends the instance's lease.
 * @param local what this instance holds, read before `t0`'s requests are sent
 * @param t0 boot clock, ms: from before anything was read
 * @throws Temporary when Consul does not answer a consistent read, or a lease cannot be written; then nothing is extended
 */
export async function renew(guarded: Guarded, local: ReadonlyMap<string, Local>, t0: number): Promise<Renewal> {
  const { files } = guarded
  const { session, missing, elsewhere } = await ownSession(guarded)
  const assumed = [...local].flatMap(([id, one]) =>
    acquisitionOf(one) !== null && one.index !== null ? [{ id, index: one.index }] : [],
  )
  const { proved, acquired, member, unusable } = await proveAll(guarded, session, assumed)
  const lost = assumed.map(({ id }) => id).filter(id => !proved.has(id))
  const again = assumed.filter(({ id }) => proved.has(id) && local.get(id)?.pinned)
  const over = assumed.filter(({ id }) => !proved.has(id))
  try {
    const extend = () => extendLease(files, t0, bootClock())
    if (over.length + again.length === 0) extend()
    else {
      // Under one lock and in this order: a lost partition's lease must be pinned before the instance's lease is extended.
      changingLeases(files, () => {
        pinAndFree(files, over, again, t0)
        extend()
      })
    }
  } catch (error) {
    const unwritable = !(error instanceof LockBusy)
    if (unwritable && session !== null && member !== null) await sayLeaving(guarded, session, member, reason(error))
    throw error
  }
  lengthen(files.worker, t0)
  const more = elsewhere === undefined ? {} : { elsewhere }
  return { proved: [...proved], acquired, lost, unusable, member: member !== null, missing, ...more }
}

/**
 * When the lease file cannot be written, the processes here end with their present lease. Tell the others at once, so that
 * they neither count on this instance nor hand anything over to it. It takes part again once the lease can be written.
 */
async function sayLeaving({ consul, service, instance }: Guarded, Session: string, member: string, why: string) {
  const value = fieldsIn(member)
  if (value.leaving === true) return
  const Key = keysOf(service).member(instance)
  await transact(consul, [
    { Verb: 'lock', Key, Session, Value: base64(JSON.stringify({ ...value, leaving: true, why })) },
  ])
}

/**
 * The session if it lives on this node. A session that the token may not renew lives until its TTL is over: the locks then
 * show what it still holds.
 */
async function ownSession({
  consul,
  node,
  files,
}: Guarded): Promise<{ session: string | null; missing: string | null; elsewhere?: string }> {
  const session = readFact(files.session)
  if (!session) return { session: null, missing: null }
  try {
    const living = await renewSession(consul, session, node)
    if (living === null || living.Node === node) return { session: living && session, missing: null }
    return { session: null, missing: null, elsewhere: living.Node }
  } catch (error) {
    const missing = missingPermission(error)
    if (missing === null) throw error
    return { session, missing }
  }
}

interface Assumed {
  readonly id: string
  readonly index: number
}

/**
 * The first transaction also reads the member key, so that an instance without locks makes a consistent read too. Locks
 * whose keys newer agents refuse come last, in transactions of their own: a refused key fails its whole transaction.
 * @returns `member`: the value of the member key, null when the session does not hold it
 */
async function proveAll(guarded: Guarded, session: string | null, assumed: readonly Assumed[]) {
  const keys = keysOf(guarded.service)
  const [taken, others] = apart(assumed, ({ id }) => keys.lock(id))
  const first = await prove(guarded, session, taken)
  if (others.length === 0) return { ...first, unusable: [] }
  const last = await unlessRefused(prove(guarded, session, others), null)
  const proved = new Set([...first.proved, ...(last?.proved ?? [])])
  const acquired = new Map([...first.acquired, ...(last?.acquired ?? [])])
  return { proved, acquired, member: first.member, unusable: last === null ? others.map(({ id }) => id) : [] }
}

async function prove(guarded: Guarded, session: string | null, assumed: readonly Assumed[]) {
  const keys = keysOf(guarded.service)
  const key = keys.member(guarded.instance)
  const proved = new Set<string>()
  const acquired = new Map<string, number>()
  let member: string | null = null
  let first = true
  for (let queue = [...assumed]; first || queue.length > 0; ) {
    const batch = queue.slice(0, transactionLimit - 1)
    const checks = batch.map(({ id, index }): Operation => ({ Verb: 'check-index', Key: keys.lock(id), Index: index }))
    const outcome = await look(guarded.consul, [...checks, { Verb: 'get-tree', Key: key }])
    if (outcome.done) {
      const held = new Map(outcome.entries.map((entry: Entry) => [entry.key, entry]))
      for (const { id } of batch) {
        const entry = held.get(keys.lock(id))
        if (session === null || entry?.session !== session) continue
        proved.add(id)
        acquired.set(id, entry.lockIndex)
      }
      const own = outcome.entries.find(entry => entry.key === key)
      member = session !== null && own?.session === session ? (own.value ?? '') : null
      queue = queue.slice(batch.length)
      first = false
    } else {
      // The locks whose checks failed are lost. Ask for the rest again: only a whole transaction proves them.
      const left = batch.filter((_, position) => !outcome.failed.has(position))
      if (left.length === batch.length)
        throw new Temporary('cannot prove the locks: Consul refused to read the member key')
      queue = [...left, ...queue.slice(batch.length)]
    }
  }
  return { proved, acquired, member }
}

/**
 * Pins leases of lost locks, and lets proved ones count again. A guard check that a later one has overtaken frees nothing:
 * the later one may have found the lock lost and pinned its lease. A lock whose index has changed since was acquired again
 * or is being reclaimed: this check proves nothing about it.
 */
function pinAndFree(files: InstanceFiles, over: readonly Assumed[], again: readonly Assumed[], t0: number): void {
  const isStill = ({ id, index }: Assumed) => readFact(files.partition(id).index) === String(index)
  const before = instanceLease(files, t0)
  writePartitionLeases(over.filter(isStill).flatMap(({ id }) => pinned(files.partition(id), before, t0)))
  if ((instanceLease(files, bootClock()) ?? -1) > t0) return
  const free = again.filter(isStill).filter(({ id }) => partitionLease(files.partition(id))?.from === never)
  writePartitionLeases(free.map(({ id }) => [files.partition(id), { from: t0, own: t0 }]))
}

/** The instance's lease must no longer cover this partition: its own lease ends L after the last proof. */
function pinned(files: PartitionFiles, instance: number | null, now: number): [PartitionFiles, PartitionLease][] {
  const lease = partitionLease(files)
  const proof = lastProof(lease, instance, now)
  return lease?.from === never ? [] : [[files, { from: never, own: proof ?? never }]]
}
