/** Prepares a state directory: it must belong to this instance and to this boot. */

import { renameSync, rmSync } from 'node:fs'
import { bootId } from '../base/clock.ts'
import { attempt, makeDirectory, removeFact, writeFact } from './facts.ts'
import { identityOf } from './identity.ts'
import { never, partitionLease } from './lease.ts'
import { termsOf } from './local.ts'
import { type InstanceFiles, localPartitions } from './paths.ts'

/**
 * Makes the directory ready for this instance on this boot. A directory of another instance (a copied machine) or of
 * another service (a renamed one: its shepherds find their lease gone and stop) is put aside. From another boot's
 * directory the session, processes and leases are removed, which only that boot knew.
 */
export function enterState(files: InstanceFiles, instance: string, service: string): void {
  const boot = bootId()
  const found = identityOf(files)
  if (found?.instance === instance && found.boot === boot && found.service === service) return
  if (found && (found.instance !== instance || found.service !== service)) {
    attempt(`put aside ${files.directory}`, () =>
      renameSync(files.directory, `${files.directory}.of-another-${Date.now()}`),
    )
  }
  makeDirectory(files.partitions)
  if (found?.boot !== boot) forgetBoot(files)
  writeFact(files.identity, `${instance}\n${service}\n${boot}`)
}

function forgetBoot(files: InstanceFiles): void {
  for (const { directory } of [files.worker, files.standIn])
    attempt(`remove ${directory}`, () => rmSync(directory, { recursive: true, force: true }))
  for (const fact of [
    files.session,
    files.lease,
    files.free,
    files.due,
    files.looked,
    files.rest,
    files.left,
    files.sourceDue,
    files.clock.promise,
    files.clock.launched,
    files.clock.tended,
  ])
    removeFact(fact)
  for (const id of localPartitions(files)) {
    const partition = files.partition(id)
    const { lease, launched, shepherd, process, handed, asked } = partition
    // Consul has said that its lock is lost: nothing is to be started for it before Consul answers.
    if (termsOf(partition)?.whenIsolated === 'keep' && partitionLease(partition)?.from === never)
      removeFact(partition.index)
    for (const fact of [lease, launched, shepherd, process, handed, asked]) removeFact(fact)
  }
}
