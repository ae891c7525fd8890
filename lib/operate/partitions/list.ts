/** The partition set as a table for people, or as JSON. */

import { table } from '../../base/table.ts'
import { byName } from '../../base/text.ts'
import type { Partition } from '../../keys/partition-set.ts'

export function list(unsorted: readonly Partition[], json: boolean): string | string[] {
  const partitions = unsorted.toSorted((a, b) => byName(a.id, b.id))
  if (json) return JSON.stringify(partitions.map(({ id, from, document }) => ({ id, from, document })))
  const size = ({ document }: Partition) =>
    document === undefined ? '-' : `${Buffer.byteLength(JSON.stringify(document))} bytes`
  return table(
    ['PARTITION', 'FROM', 'DOCUMENT'],
    partitions.map(partition => [partition.id, partition.from ?? '?', size(partition)]),
  )
}
