/**
 * Published health: what each holder says of its partitions' processes, so that others can tell "ready for 10 s". One key
 * for each instance, `watchbill/.health/<service>/<instance>`, which the guard writes when something has changed. It does
 * not stand below the service's own keys: it wakes nobody, and no look reads it.
 *
 * No wall clock counts. The value holds ages as they were when it was written; a reader adds the time for which it has
 * itself seen that value stand (`firstSeen`), so that every age is a lower bound. A row counts only while the lock of its
 * partition is held as it was when the row was written: its ModifyIndex, which the row holds, changes with each acquisition.
 */
import { isMoment } from '../base/clock.ts'
import { encode } from '../base/names.ts'
import type { Lock } from './lock.ts'

/** So many partitions of one instance are published; `leftOut` counts the others. */
export const mostPublished = 500

/** One partition, as its holder published it. Ages are ms, at the time of writing. */
export interface HealthRow {
  /** The ModifyIndex of its lock. */
  readonly index: number
  /** How long its process has run; null when none runs. */
  readonly startedFor: number | null
  /** How long it has been ready, and its checks passing, as the guard saw it; null when it is not. */
  readonly readyFor: number | null
  /** How often its process was started again since the partition was acquired. */
  readonly restarts: number
}

/** What one instance has published. */
export interface Health {
  /** When it was written, by the wall clock of its machine, ISO: to show, never to compare. */
  readonly at: string
  readonly partitions: ReadonlyMap<string, HealthRow>
  readonly leftOut: number
}

/** A value, and the ModifyIndex of its key. */
export interface Publication {
  readonly health: Health
  readonly index: number
}

/** A partition's health, as a reader may rely on it. Ages are ms, and lower bounds. */
export interface PartitionHealth extends HealthRow {
  /** The holder. */
  readonly instance: string
  /** When the holder wrote this, ISO by its own wall clock: to show, never to compare. */
  readonly at: string
}

/** When a reader first saw each instance's present publication: its ModifyIndex, and the reader's own steady clock, ms. */
export type FirstSeen = ReadonlyMap<string, { readonly index: number; readonly at: number }>

export function healthRoot(service: string): string {
  return `watchbill/.health/${encode(service)}/`
}

export function healthKey(service: string, instance: string): string {
  return `${healthRoot(service)}${encode(instance)}`
}

/** @param now the reader's own steady clock, ms: the one that `healthOf` gets later */
export function firstSeen(
  before: FirstSeen,
  publications: ReadonlyMap<string, Publication>,
  now: number,
): Map<string, { readonly index: number; readonly at: number }> {
  return new Map(
    [...publications].map(([instance, { index }]) => {
      const known = before.get(instance)
      return [instance, known?.index === index && known.at <= now ? known : { index, at: now }]
    }),
  )
}

/**
 * Pure: the health of each partition whose holder has published it for the present acquisition. The others are left out:
 * nothing is known of them, which is no sign that they are well.
 * @param publications by instance @param locks as one look read them, from the same index on or later
 * @param seen what `firstSeen` returned; without it ages are those of the time of writing @param now the same clock
 */
export function healthOf(
  publications: ReadonlyMap<string, Publication>,
  locks: ReadonlyMap<string, Pick<Lock, 'session' | 'modifyIndex' | 'held'>>,
  seen: FirstSeen = new Map(),
  now = 0,
): Map<string, PartitionHealth> {
  const found = new Map<string, PartitionHealth>()
  for (const [instance, { health, index }] of publications) {
    const first = seen.get(instance)
    const stood = first?.index === index ? Math.max(0, now - first.at) : 0
    for (const [id, row] of health.partitions) {
      const lock = locks.get(id)
      const counts = lock?.session != null && lock.held?.instance === instance && lock.modifyIndex === row.index
      if (!counts) continue
      const [startedFor, readyFor] = [older(row.startedFor, stood), older(row.readyFor, stood)]
      found.set(id, { ...row, startedFor, readyFor, instance, at: health.at })
    }
  }
  return found
}

function older(age: number | null, by: number): number | null {
  return age === null ? null : age + by
}

export function healthText({ at, partitions, leftOut }: Health): string {
  const rows = [...partitions].slice(0, mostPublished).map(([id, row]) => {
    return `${JSON.stringify(id)}:${JSON.stringify([row.index, row.startedFor, row.readyFor, row.restarts])}`
  })
  const more = leftOut + Math.max(0, partitions.size - mostPublished)
  return `{"at":${JSON.stringify(at)},"leftOut":${more},"partitions":{${rows.join(',')}}}`
}

/** Null when it is none: anybody may have written it. Rows that are none are left out. */
export function parseHealth(text: string | null): Health | null {
  try {
    const { at, leftOut, partitions } = JSON.parse(text ?? 'null')
    if (typeof at !== 'string' || !isMoment(Date.parse(at)) || !isCount(leftOut)) return null
    const rows = Object.entries(partitions).flatMap(([id, row]) => {
      const parsed = rowFrom(row)
      return parsed === null ? [] : [[id, parsed] as const]
    })
    return { at: new Date(at).toISOString(), leftOut, partitions: new Map(rows.slice(0, mostPublished)) }
  } catch {
    return null
  }
}

/** No process is older, ms: with any age more it could not be shown as a date. */
const oldest = 1e12

function rowFrom(row: unknown): HealthRow | null {
  if (!Array.isArray(row) || row.length !== 4) return null
  const [index, startedFor, readyFor, restarts] = row
  const ages = [startedFor, readyFor].every(age => age === null || (isCount(age) && age <= oldest))
  return isCount(index) && ages && isCount(restarts) ? { index, startedFor, readyFor, restarts } : null
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
