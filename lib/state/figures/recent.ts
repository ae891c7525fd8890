/** What a ring says of now. */
import type { InstanceFiles } from '../paths.ts'
import { ownFrom } from './own.ts'
import { newestRows, type Row } from './ring.ts'
import { ownRing, partitionEvery, partitionRing, ringFiles } from './rings.ts'

/** How many places back a ring is asked: a busy machine may miss a turn. */
const places = 4

export interface Recent {
  readonly row: Row
  /** Processors that were used between its last two rows; null when that cannot be told. */
  readonly cores: number | null
  /** What the program says of itself, by name. */
  readonly own: Readonly<Record<string, number>>
}

/** @param name the partition, encoded @returns null when nothing was written in the last two minutes */
export function recentOf(files: Pick<InstanceFiles, 'figures'>, name: string, now: number): Recent | null {
  const rings = ringFiles(files, name)
  const [row, before] = newestRows(rings.partition, partitionRing, now, places)
  if (row === undefined) return null
  const [own] = newestRows(rings.own, ownRing, now, places)
  const isSame = own !== undefined && Math.abs(own.boot - row.boot) < partitionEvery
  return { row, cores: before === undefined ? null : coresBetween(before, row), own: isSame ? ownFrom(own.text) : {} }
}

/** Null when the control group, or the process, is another one since. */
export function coresBetween(before: Row, after: Row): number | null {
  const [from, to] = [before.figures.cpu_ms, after.figures.cpu_ms]
  if (from === undefined || to === undefined || to < from || after.boot <= before.boot) return null
  return (to - from) / (after.boot - before.boot)
}
