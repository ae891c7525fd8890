/**
 * Since when a free lock has been seen free: the takeover wait counts from the first look that found it free at its
 * present ModifyIndex. Every instance records all of them, so that a change of the roster does not start a wait again.
 */
import { decode, encode } from '../base/names.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** Boot-clock ms. */
export interface FreeLock {
  /** The lock's ModifyIndex. */
  readonly index: number
  readonly since: number
}

/** A record that was not refreshed for this long is void, ms: the lock may have been taken and freed meanwhile. */
const voidAfter = 10_000

/** The records as they stand; none when they were not refreshed in time. */
export function readFree(files: InstanceFiles, boot: string, now: number): Map<string, FreeLock> {
  const [head, ...lines] = readFact(files.free)?.split('\n') ?? []
  const [writtenIn, looked] = head?.split(' ') ?? []
  const age = now - Number(looked)
  if (writtenIn !== boot || !(age >= 0 && age <= voidAfter)) return new Map()
  return new Map(
    lines.flatMap(line => {
      const [index, since, name = ''] = line.split(' ')
      const record = { index: Number(index), since: Number(since) }
      const id = decode(name)
      return record.since <= now && id !== null ? [[id, record] as const] : []
    }),
  )
}

/** The records after a look at `now`. A lock that is free at another index than before starts a new wait. */
export function refreshFree(
  before: ReadonlyMap<string, FreeLock>,
  free: ReadonlyMap<string, number>,
  now: number,
): Map<string, FreeLock> {
  const after = new Map<string, FreeLock>()
  for (const [id, index] of free) {
    const known = before.get(id)
    after.set(id, known?.index === index ? known : { index, since: now })
  }
  return after
}

export function writeFree(
  files: InstanceFiles,
  boot: string,
  now: number,
  records: ReadonlyMap<string, FreeLock>,
): void {
  if (records.size === 0) {
    removeFact(files.free)
    return
  }
  const lines = [...records].map(([id, { index, since }]) => `${index} ${since} ${encode(id)}`)
  writeFact(files.free, [`${boot} ${now}`, ...lines].join('\n'))
}
