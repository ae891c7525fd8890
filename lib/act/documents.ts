/**
 * Writes a partition's document into a file: before its process starts, and again when the key has changed. The key
 * spec/documents changes with every document, so that an instance reads documents only when one has changed.
 */

import { existsSync } from 'node:fs'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { type Entry, entriesAt, look, transactionLimit } from '../consul/kv.ts'
import { apart, unlessRefused } from '../consul/refused-key.ts'
import { inOrder } from '../hooks/in-order.ts'
import { tellNext } from '../hooks/lifecycle.ts'
import { partitionFrom } from '../keys/partition-set.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { signal } from '../machine/identity.ts'
import { lendDocument } from '../process/limits/lend.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'
import type { Run } from '../state/self.ts'
import { hasNoCommand } from '../state/shepherd-status.ts'
import { askRestart } from './restart.ts'

/** Writes the documents of partitions that are about to start. @throws Temporary when Consul cannot be read */
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
 * When any document has changed: replaces the changed documents of held partitions, and tells their processes as
 * `onChange` says. A program killed midway does it again at the next look.
 * @returns whether the next look has a process to restart or to start
 */
export async function passOn(run: Run, snapshot: Snapshot): Promise<boolean> {
  const { files, consul } = run
  const { keys, documentsIndex, definition } = snapshot
  if (readFact(files.documents) === String(documentsIndex)) return false
  const held = [...snapshot.local].filter(([, one]) => isAssumed(one))
  const stale = await staleOf(
    consul,
    keys,
    held.map(([id]) => id),
    id => Number(readFact(files.partition(id).documentIndex) ?? 0),
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

/**
 * The partitions whose key has changed since it was read: 64 small checks in a request, however large the documents are.
 * @param indexOf the ModifyIndex that was read
 */
export async function staleOf(
  consul: Consul,
  keys: Keys,
  ids: readonly string[],
  indexOf: (id: string) => number,
): Promise<string[]> {
  const stale: string[] = []
  for (const kind of apart(ids, keys.partition)) {
    for (let from = 0; from < kind.length; from += transactionLimit) {
      const some = kind.slice(from, from + transactionLimit)
      const asked = look(
        consul,
        some.map(id => ({ Verb: 'check-index', Key: keys.partition(id), Index: indexOf(id) })),
      )
      const outcome = await unlessRefused(asked, null) // the agent refuses these keys: their partitions are being stopped
      if (outcome?.done === false) stale.push(...some.filter((_, position) => outcome.failed.has(position)))
    }
  }
  return stale
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

/** The document as one line of JSON; null when the partition has none. */
function documentIn(entry: Entry | undefined, keys: Keys): string | null {
  const document = entry && partitionFrom(entry, keys)?.document
  return document === undefined ? null : JSON.stringify(document)
}

function place(files: PartitionFiles, document: string | null, entry: Entry | undefined): void {
  if (document === null) removeFact(files.document)
  else writeDocument(files, document)
  writeFact(files.documentIndex, String(entry?.modifyIndex ?? 0))
}

/** @returns whether the process must be told. Until it has been told, the fact `documentIndex` is missing. */
function replace(files: PartitionFiles, document: string | null, entry: Entry): boolean {
  const before = readFact(files.document)
  const untold = readFact(files.documentIndex) === null
  if (document === before && !(untold && document !== null)) {
    place(files, document, entry)
    return false
  }
  removeFact(files.documentIndex)
  if (document === null) removeFact(files.document)
  else writeDocument(files, document)
  return true
}

/** A process of another user must be able to read it, and nobody else: see process/limits/apply.ts. */
function writeDocument(files: PartitionFiles, document: string): void {
  writeFact(files.document, document)
  if (existsSync(files.readers)) lendDocument(files)
}

/** Whether the partition had no command, so that the new document may name one: see act/choose.ts. */
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
