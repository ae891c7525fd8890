/**
 * `run.command.choose`: the document of a partition names its command. A partition whose document names no known command
 * is not started until its document or the definition changes. The other partitions do not wait for that.
 */

import { keysOf } from '../base/names.ts'
import { pointedAt } from '../base/pointer.ts'
import type { Choice, Definition } from '../definition/definition.ts'
import { kind, shown } from '../definition/wording.ts'
import type { Start } from '../process/shepherd/start.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import { noCommand } from '../state/shepherd-status.ts'

/** The starts that have a command, with it. For the others the fact `status` says why there is none. */
export function withCommands({ run }: Definition, starts: readonly Start[], log: (line: string) => void): Start[] {
  const { choose } = run
  if (choose === undefined) return [...starts]
  return starts.flatMap(start => {
    const name = nameIn(start.files, choose)
    const command = Object.hasOwn(choose.of, name ?? '') ? choose.of[name ?? ''] : undefined
    if (command !== undefined) return [{ ...start, command }]
    const why = problemOf(start, choose)
    if (readFact(start.files.status) !== why) log(`cannot start ${start.partition}: ${why}`)
    writeFact(start.files.status, why)
    return []
  })
}

function nameIn(files: PartitionFiles, { pointer }: Choice): string | null {
  const name = pointedAt(documentOf(files), pointer)
  return typeof name === 'string' ? name : null
}

function documentOf({ document }: PartitionFiles): unknown {
  const text = readFact(document)
  return text === null ? undefined : (JSON.parse(text) as unknown)
}

function problemOf({ service, partition, files }: Start, { pointer, of }: Choice): string {
  const document = documentOf(files)
  const found = pointedAt(document, pointer)
  const place = `${pointer || 'all'} of the document of ${partition} (${keysOf(service).partition(partition)})`
  const what =
    document === undefined ? 'there is no document' : found === undefined ? 'there is no such field' : wrong(found)
  return `${noCommand}: ${place}: ${what}; run.command.of has ${Object.keys(of).join(', ')}: correct the document, or the definition`
}

function wrong(found: unknown): string {
  return typeof found === 'string' ? `it is ${shown(found)}` : `it is ${kind(found)}, not a name`
}
