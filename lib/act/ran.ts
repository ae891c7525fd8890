/** What the process of a partition runs with, as the state directory keeps it beside the lock's value: the fact `version`. */
import type { Ran } from '../roll/meant.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'

/** Most services have neither a version nor a roll-out, and then there is no such file. */
export function writeRan({ version: file }: PartitionFiles, { version, roll }: Ran): void {
  if (version === '' && roll === undefined) removeFact(file)
  else writeFact(file, `${version} ${roll ?? ''}`)
}

export function readRan({ version: file }: PartitionFiles): Ran {
  const [version = '', roll = ''] = readFact(file)?.split(' ') ?? []
  return { version, ...(roll !== '' && { roll }) }
}
