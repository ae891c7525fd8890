/** What only the machine knows that runs a partition: its process. Read below the state directory alone. */
import { bootClock } from '../../base/clock.ts'
import { startMs } from '../../machine/identity.ts'
import { readFact, readLine } from '../../state/facts.ts'
import { localInstances } from '../../state/identity.ts'
import { instanceLease } from '../../state/lease.ts'
import { leaseEnd, localOf } from '../../state/local.ts'
import { runnerOf } from '../../state/partition-paths.ts'
import { instanceFiles } from '../../state/paths.ts'

/** A partition's process on this machine. */
export interface ProcessHere {
  readonly instance: string
  readonly pid: number | null
  /** How long the process has run, ms. */
  readonly uptime: number | null
  /** The shepherd's sentence. */
  readonly says: string | null
  readonly restarts: number | null
  /** How the last process ended, in the shepherd's words. */
  readonly exit: string | null
  readonly token: string | null
  /** ms that are left of the lease. */
  readonly leaseMs: number | null
}

/** Null when it is not here. @throws Temporary when its files cannot be read */
export function processHere(root: string, instance: string, partition: string): ProcessHere | null {
  if (!localInstances(root).includes(instance)) return null
  const all = instanceFiles(root, instance)
  const files = all.partition(partition)
  const now = bootClock()
  const local = localOf(files, instanceLease(all, now), now)
  if (local.acquisition === null && local.process === null) return null
  const own = runnerOf(files)
  const end = leaseEnd(local)
  return {
    instance,
    pid: local.process?.pid ?? null,
    uptime: local.process === null ? null : Math.max(0, now - startMs(local.process)),
    says: local.status,
    restarts: count(readFact(own.restarts)),
    exit: readLine(own.exit),
    token: local.token,
    leaseMs: end === 0 ? null : end - now,
  }
}

function count(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}
