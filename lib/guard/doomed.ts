/** Kills what would live past lease + G because nobody else ends it. */
import type { Renewal } from '../act/renew.ts'
import { bootClock } from '../base/clock.ts'
import { signal } from '../machine/identity.ts'
import { membersOf } from '../process/containment/containment.ts'
import { instanceLease } from '../state/lease.ts'
import { acquisitionOf, type Local, localFacts } from '../state/local.ts'
import type { InstanceFiles, PartitionFiles } from '../state/paths.ts'

/** What a shepherd may be late with its SIGKILL on a busy machine, ms. The takeover wait leaves a second. */
const lateness = 500

/** What is here without a lease that was just proved: a handler may yet take it back, or stop it, or be too late. */
export function unproved(local: ReadonlyMap<string, Local>, { proved }: Renewal): ReadonlyMap<string, Local> {
  const held = new Set(proved)
  const mayRun = (one: Local) => acquisitionOf(one) !== null || one.process !== null
  return new Map([...local].filter(([id, one]) => (!held.has(id) || one.aheadOfClock) && mayRun(one)))
}

/** Boot clock, ms; 0 where nothing was ever proved. */
export function leaseEnd({ proof, terms }: Local): number {
  return proof === null || terms === null ? 0 : proof + terms.lease
}

/**
 * Kills what would live past lease + G before the next tick because nobody else ends it: the processes of a shepherd
 * that is dead or stopped. And whatever lives past it already, whoever its shepherd is: its timers may have stood still
 * while the machine was suspended. What a handler has started since this tick looked is none of these, so they are looked
 * for first, and then once more whether nobody looks after them.
 */
export function killWhatWouldOutlive(files: InstanceFiles, local: ReadonlyMap<string, Local>, next: number): void {
  const now = bootClock()
  const isDoomed = (one: Local | undefined): one is Local => {
    if (one === undefined) return false
    const end = leaseEnd(one) + (one.terms?.grace ?? 0)
    // Without a proof the shepherd decides: it reads the lease itself.
    return (leaseEnd(one) > 0 && end + lateness < now) || ((one.shepherd === null || one.stopped) && end < next)
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

/** The files of whoever runs a partition: its own, or the worker's. */
function runnerAt(files: InstanceFiles, id: string, home: string): PartitionFiles {
  const own = files.partition(id)
  return home === own.directory ? own : files.worker
}

/** The files of each that may run something here: every partition's own, and the worker's. */
export function everyRunner(files: InstanceFiles, local: ReadonlyMap<string, Local>): PartitionFiles[] {
  return [...[...local.keys()].map(files.partition), files.worker]
}
