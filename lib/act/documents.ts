/**
 * A partition's document on its way to its process: into a file before the process starts, and again when the key has
 * changed. spec/documents changes along with any document, so that nobody asks for them without a reason.
 */

import type { Keys } from '../base/names.ts'
import { type Entry, entriesAt, look, transactionLimit } from '../consul/kv.ts'
import { apart, unlessRefused } from '../consul/refused-key.ts'
import { inOrder } from '../hooks/in-order.ts'
import { tellNext } from '../hooks/lifecycle.ts'
import { partitionFrom } from '../keys/partition-set.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { signal } from '../machine/identity.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import type { PartitionFiles } from '../state/paths.ts'
import type { Run } from '../state/self.ts'
import { hasNoCommand } from '../state/shepherd-status.ts'
import { askRestart } from './restart.ts'

/** Writes the documents of partitions that are held here and do not run yet. @throws Temporary when they cannot be read */
export async function placeDocuments(
  { consul, files }: Pick<Run, 'consul' | 'files'>,
  keys: Keys,
  starting: readonly { readonly partition: string }[],
): Promise<void> {
  const entries = await readEntries(
    consul,
    keys,
    starting.map(({ partition }) => partition),
  )
  for (const { partition } of starting)
    place(files.partition(partition), documentIn(entries.get(partition), keys), entries.get(partition))
}

/**
 * Looks after what runs here when a document has changed anywhere: its own is replaced, and its process is told as the
 * definition says. Killed midway, it is told again.
 * @returns whether a restart was asked for, or a process can be started, which the next look does
 */
export async function passOn(run: Run, snapshot: Snapshot): Promise<boolean> {
  const { files, consul } = run
  const { keys, documentsIndex, definition } = snapshot
  if (readFact(files.documents) === String(documentsIndex)) return false
  const held = [...snapshot.local].filter(([, one]) => isAssumed(one))
  const stale = await staleOf(
    run,
    keys,
    held.map(([id]) => id),
  )
  const entries = await readEntries(consul, keys, stale)
  let changed = 0
  let startable = 0
  for (const [id, local] of held) {
    const entry = entries.get(id)
    if (entry === undefined || !replace(files.partition(id), documentIn(entry, keys), entry)) continue
    changed++
    if (mayChoose(files.partition(id))) startable++
    tellProcess(run, snapshot, id, local, entry.modifyIndex)
    writeFact(files.partition(id).documentIndex, String(entry.modifyIndex))
  }
  writeFact(files.documents, String(documentsIndex))
  return startable > 0 || (changed > 0 && definition.onChange === 'restart')
}

/** Those whose key is not as it was read last: 64 small checks in a request, however large the documents are. */
async function staleOf({ consul, files }: Run, keys: Keys, ids: readonly string[]): Promise<string[]> {
  const stale: string[] = []
  for (const kind of apart(ids, keys.partition)) {
    for (let from = 0; from < kind.length; from += transactionLimit) {
      const some = kind.slice(from, from + transactionLimit)
      const asked = look(
        consul,
        some.map(id => ({ Verb: 'check-index', Key: keys.partition(id), Index: knownIndex(files.partition(id)) })),
      )
      const outcome = await unlessRefused(asked, null) // such a one is being stopped
      if (outcome?.done === false) stale.push(...some.filter((_, position) => outcome.failed.has(position)))
    }
  }
  return stale
}

function knownIndex(files: PartitionFiles): number {
  return Number(readFact(files.documentIndex) ?? 0)
}

async function readEntries(consul: Run['consul'], keys: Keys, ids: readonly string[]): Promise<Map<string, Entry>> {
  const entries = await entriesAt(consul, ids.map(keys.partition))
  return new Map(
    entries.flatMap(entry => {
      const id = partitionFrom(entry, keys)?.id
      return id === undefined ? [] : [[id, entry] as const]
    }),
  )
}

/** One line of JSON; null when it has none. */
function documentIn(entry: Entry | undefined, keys: Keys): string | null {
  const document = entry && partitionFrom(entry, keys)?.document
  return document === undefined ? null : JSON.stringify(document)
}

function place(files: PartitionFiles, document: string | null, entry: Entry | undefined): void {
  if (document === null) removeFact(files.document)
  else writeFact(files.document, document)
  writeFact(files.documentIndex, String(entry?.modifyIndex ?? 0))
}

/** @returns whether its process is to be told. Until that is done, the index of the document is not known. */
function replace(files: PartitionFiles, document: string | null, entry: Entry): boolean {
  const before = readFact(files.document)
  const untold = readFact(files.documentIndex) === null
  if (document === before && !(untold && document !== null)) {
    place(files, document, entry)
    return false
  }
  removeFact(files.documentIndex)
  if (document === null) removeFact(files.document)
  else writeFact(files.document, document)
  return true
}

/** It had no command, which another document may choose: see act/choose.ts. */
function mayChoose({ status }: PartitionFiles): boolean {
  if (!hasNoCommand(readFact(status))) return false
  removeFact(status)
  return true
}

function tellProcess(run: Run, { definition }: Snapshot, partition: string, local: Local, index: number): void {
  const files = run.files.partition(partition)
  const { onChange } = definition
  run.log(`the document of ${partition} changed`)
  if (onChange === 'restart') askRestart(files, 'its document changed')
  else if (onChange !== null && local.process !== null) signal(local.process, onChange)
  if (!definition.hooks.changed) return
  const details = { Document: files.document }
  inOrder(run.files, () => tellNext(run, definition, partition, { event: 'changed', own: `.${index}`, details }))
}
