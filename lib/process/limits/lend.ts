/** Lets the process of another user (run.user) read its document, and nothing else of the state directory. */
import { chmodSync, chownSync, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { attempt, readFact, writeFact } from '../../state/facts.ts'
import { instanceOf, type PartitionFiles } from '../../state/partition-paths.ts'

/**
 * Another user's process may pass through the directories down to its own, and read its document there. What is beside
 * it cannot be listed, and the facts that matter can be read by nobody else.
 */
export function lendTo(files: PartitionFiles, gid: number): void {
  if (process.geteuid?.() !== 0) return
  const instance = instanceOf(files).directory
  attempt(`open ${files.directory} to the group ${gid}`, () => {
    for (const directory of [dirname(instance), instance, `${instance}/partition`]) chmodSync(directory, 0o711)
    chownSync(files.directory, 0, gid)
    chmodSync(files.directory, 0o710)
  })
  writeFact(files.readers, String(gid))
  lendDocument(files)
}

/** The document is a new file whenever it changes. */
export function lendDocument({ document, readers }: PartitionFiles): void {
  const gid = Number(readFact(readers) ?? 0)
  if (!(gid > 0) || !existsSync(document)) return
  attempt(`let the group ${gid} read ${document}`, () => {
    chownSync(document, 0, gid)
    chmodSync(document, 0o640)
  })
}
