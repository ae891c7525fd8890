/** The rings of one instance: what their columns are, how many rows they have, and where they lie. */
import { encode } from '../../base/names.ts'
import type { InstanceFiles } from '../paths.ts'
import type { Ring } from './ring.ts'

/** How much is kept, ms. */
const kept = 3_600_000
/** How often each partition is looked at, ms. */
export const partitionEvery = 30_000

/**
 * One row for each tick: how long it took (wall clock and CPU, ms); what ticks took since the file was begun; the time
 * that was left of the lease, ms; Consul's slowest answer, and all answers; what is here. `look_bytes` is the longest
 * answer of a look since the last tick.
 */
export function instanceRing(interval: number): Ring {
  const every = Math.max(interval, 1000)
  const columns = {
    ...{ tick_ms: 7, tick_cpu_ms: 11, ticks: 9, ticks_ms: 12, ticks_cpu_ms: 12, margin_ms: 9 },
    ...{ consul_ms: 9, requests: 10, requests_ms: 12, partitions: 10, proved: 7, lost: 6, lost_all: 8 },
    ...{ handlers: 8, handlers_ms: 11, look_bytes: 11 },
  }
  return { kind: 'instance', columns, rows: Math.ceil(kept / every), every }
}

/**
 * `cpu_ms` is what all processes used since the control group was made, or since the process started. `acquired` counts
 * the acquisitions on all machines, as Consul does. The last two: how long the last hand-over from here, and the last
 * takeover by this instance, took.
 */
export const partitionRing: Ring = {
  kind: 'partition',
  columns: {
    ...{ cpu_ms: 12, memory: 15, files: 7, threads: 7, processes: 9, uptime_s: 9, restarts: 8, exits: 7 },
    ...{ exit_code: 9, acquired: 8, hand_over_ms: 12, takeover_ms: 11 },
  },
  rows: kept / partitionEvery,
  every: partitionEvery,
}

/** What the program says of itself: `name=value` as often as there is room. */
export const ownRing: Ring = { kind: 'own', columns: {}, rows: kept / partitionEvery, every: partitionEvery, text: 487 }

/** The name of the worker's ring, which no partition can have. */
export const workerName = '.worker'

/** @param name the partition, encoded, or the worker's name */
export function ringFiles({ figures }: Pick<InstanceFiles, 'figures'>, name: string) {
  return { partition: `${figures}/partition/${name}`, own: `${figures}/own/${name}` }
}

export function ringsOf(files: Pick<InstanceFiles, 'figures'>, partition: string) {
  return ringFiles(files, encode(partition))
}
