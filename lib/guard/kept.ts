/**
 * Processes that go on while this machine is cut off, since their acquisitions say `"whenIsolated": "keep"`: see state/kept.ts.
 * Others take these partitions over as always, so they may run twice until Consul answers here again.
 */
import { keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt } from '../consul/kv.ts'
import { lockFrom } from '../keys/lock.ts'
import { signal } from '../machine/identity.ts'
import { readFact, removeFact } from '../state/facts.ts'
import { type Kept, writeKept } from '../state/kept.ts'
import { never } from '../state/lease.ts'
import { changingLeases } from '../state/lease-lock.ts'
import { isAssumed, type Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'
import { writePartitionLease } from '../state/worker-lease.ts'

/**
 * How long a process goes on after Consul answers again while its lock is still free and nobody else had it, ms. Gossip may take
 * half a minute to see the machine again, and only then can the lock be taken back.
 */
const longestReturn = 120_000

/** Consul has given no answer. @param local the facts now */
export function keepOn(files: InstanceFiles, local: ReadonlyMap<string, Local>): void {
  for (const [id, one] of local) {
    if (one.acquisition === null || one.kept?.answered === null || !(one.kept || mayKeep(files, id, one))) continue
    writeKept(files.partition(id), one.acquisition, { answered: null })
  }
}

/** Not what runs no longer, what Consul has said is lost, or what is being taken back. */
function mayKeep(files: InstanceFiles, id: string, one: Local): boolean {
  if (one.terms?.whenIsolated !== 'keep') return false
  const isOwn = one.shepherd !== null && one.home === files.partition(id).directory
  return isAssumed(one) && one.leaseRuns && !one.pinned && !one.aheadOfClock && isOwn
}

type Going = Local & { readonly kept: Kept; readonly acquisition: string }
type Open = readonly [id: string, one: Going]

function isKept(one: Local): one is Going {
  return one.kept !== undefined && one.acquisition !== null
}

/**
 * Consul has answered. What is proved has its lease again. What others have taken, or nobody knows any more, ends within its grace
 * period. What is free, and whose value is still the very acquisition that was written here, nobody else has had: it goes
 * on until it is taken back.
 * @param t0 when the check began that Consul answered, boot clock, ms
 * @throws Temporary when Consul does not show the locks; the next tick asks again
 */
export async function rejoin(
  consul: Consul,
  { service, files }: Self,
  local: ReadonlyMap<string, Local>,
  proved: readonly string[],
  t0: number,
): Promise<void> {
  const kept = [...local].flatMap(([id, one]): Open[] => (isKept(one) ? [[id, one]] : []))
  const held = new Set(proved)
  // Without the lease it would end: a tick that was overtaken has not renewed it.
  for (const [id] of kept.filter(([id, one]) => held.has(id) && !one.pinned)) removeFact(files.partition(id).kept)
  const open = kept.filter(([id]) => !held.has(id))
  const age = ({ kept: { answered } }: Going) => (answered === null ? 0 : t0 - answered)
  end(
    files,
    open.filter(([, one]) => !(age(one) >= 0 && age(one) < longestReturn)),
    t0,
  )
  for (const [id, one] of open)
    if (one.kept.answered === null) writeKept(files.partition(id), one.acquisition, { answered: t0 })
  const { lock } = keysOf(service)
  const entries = await entriesAt(
    consul,
    open.map(([id]) => lock(id)),
  )
  const own = new Map(entries.map(entry => [entry.key, lockFrom(entry).held?.acquisition]))
  end(
    files,
    open.filter(([id, one]) => own.get(lock(id)) !== one.acquisition),
    t0,
  )
}

/** Their lease ended when Consul answered: from then on each has its grace period. */
function end(files: InstanceFiles, open: readonly Open[], t0: number): void {
  if (open.length === 0) return
  changingLeases(files, () => {
    for (const [id, one] of open) {
      const partition = files.partition(id)
      // It may have been taken back since the tick began.
      const isSame = readFact(partition.acquisition) === one.acquisition && readFact(partition.index) === indexText(one)
      if (!isSame) continue
      writePartitionLease(partition, { from: never, own: Math.max(0, t0 - (one.terms?.lease ?? 0)) })
      removeFact(partition.kept)
    }
  })
  for (const [, { shepherd }] of open) if (shepherd) signal(shepherd, 'SIGURG')
}

function indexText({ index }: Local): string | null {
  return index === null ? null : String(index)
}
