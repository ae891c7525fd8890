/** Kills processes that would outlive lease + G because nobody else ends them. */
import type { Renewal } from '../act/renew.ts'
import { bootClock } from '../base/clock.ts'
import { signal } from '../machine/identity.ts'
import { membersOf } from '../process/containment/containment.ts'
import { mayWakeNobody } from '../state/clock.ts'
import { instanceLease } from '../state/lease.ts'
import { acquisitionOf, type Local, leaseEnd, localFacts } from '../state/local.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** How late a shepherd's SIGKILL may be on a busy machine, ms. The takeover wait leaves a second for it. */
const lateness = 500

/** The partitions here whose lock was not just proved. A handler may still take one back or stop it, or be too late. */
export function unproved(local: ReadonlyMap<string, Local>, { proved }: Renewal): ReadonlyMap<string, Local> {
  const held = new Set(proved)
  const mayRun = (one: Local) => acquisitionOf(one) !== null || one.process !== null
  return new Map([...local].filter(([id, one]) => (!held.has(id) || one.aheadOfClock) && mayRun(one)))
}

/**
 * Kills the processes of a dead or stopped shepherd that would live past lease + G before the next tick. All shepherds count
 * as stopped while their clock is stopped or late. Also kills every process that lives past it already, whatever its shepherd
 * does: timers stand still while a machine is suspended. A handler may have started processes since this tick looked. They
 * must not be killed, so the facts are read once more after the search for processes.
 */
export function killWhatWouldOutlive(files: InstanceFiles, local: ReadonlyMap<string, Local>, next: number): void {
  const now = bootClock()
  const isTimeless = mayWakeNobody(files.clock, now)
  const isDoomed = (one: Local | undefined): one is Local => {
    if (one === undefined || goesOn(one)) return false
    const end = leaseEnd(one) + (one.terms?.grace ?? 0)
    // Without a proof the shepherd decides: it reads the lease itself.
    return (
      (leaseEnd(one) > 0 && end + lateness < now) ||
      ((one.shepherd === null || one.stopped || isTimeless) && end < next)
    )
  }
  const doomed = [...local].filter(([, one]) => isDoomed(one))
  if (doomed.length === 0) return
  const runners = new Map(doomed.map(([id, { home }]) => [id, runnerAt(files, id, home)]))
  const members = membersOf([...new Map([...runners.values()].map(one => [one.directory, one])).values()])
  if (members.size === 0) return
  const later = bootClock()
  const fresh = localFacts(files, instanceLease(files, later), later)
  const still = doomed.flatMap(([id]) => fresh.get(id) ?? []).filter(isDoomed)
  const homes = new Set(still.map(({ home }) => home))
  for (const home of homes) for (const process of members.get(home) ?? []) signal(process, 'SIGKILL')
}

/** While this machine is cut off, and its shepherd looks after it: see state/kept.ts. */
function goesOn({ kept, shepherd, stopped }: Local): boolean {
  return kept !== undefined && shepherd !== null && !stopped
}

/** The files of whoever runs a partition: its own, or the worker's. */
function runnerAt(files: InstanceFiles, id: string, home: string): PartitionFiles {
  const own = files.partition(id)
  return home === own.directory ? own : files.worker
}

/** The files of each that may run something here: every partition's own, and the worker's. */
export function everyRunner(files: InstanceFiles, local: ReadonlyMap<string, Local>): PartitionFiles[] {
  return [...[...local.keys()].map(files.partition), files.worker]
}
