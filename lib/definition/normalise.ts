import { duration } from '../clock.ts'
import type { Definition } from './definition.ts'
import type { DefinitionFile } from './schema.ts'

/** A definition file in the form that the programs use: ids listed, durations in milliseconds, nothing left out. */
export function normalised(from: DefinitionFile): Definition {
  return {
    name: from.name,
    id: from.id ?? from.name,
    tags: from.tags,
    weight: from.weight,
    maxPartitions: from.maxPartitions,
    partitions: partitionIds(from.partitions),
    run: { ...from.run, cwd: from.run.cwd ?? null },
    stop: { signal: from.stop.signal, graceMs: ms(from.stop.grace), command: from.stop.command ?? null },
    guardIntervalMs: ms(from.guard.interval),
    leaseMs: ms(from.lease),
  }
}

function partitionIds({ range, list }: DefinitionFile['partitions']): string[] {
  if (!range) return list ?? []
  const [first, last] = range
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index))
}

function ms(text: string): number {
  return duration(text) as number
}
