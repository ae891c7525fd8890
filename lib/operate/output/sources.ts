/** The files on this machine that `watchbill logs` can show: what processes printed, and what the handlers did. */
import { statSync } from 'node:fs'
import { byName } from '../../base/text.ts'
import { readFact } from '../../state/facts.ts'
import { identityOf, localInstances } from '../../state/identity.ts'
import { runnerOf } from '../../state/partition-paths.ts'
import { type InstanceFiles, instanceFiles, localPartitions } from '../../state/paths.ts'

export interface Source {
  readonly service: string
  readonly instance: string
  /** Null for what a whole instance says. */
  readonly partition: string | null
  /** What stands before each line. */
  readonly label: string
  /** Its older part is `<file>.1`. */
  readonly file: string
}

/**
 * The output of every partition that this machine holds. With one process for all there is one, that of the instance.
 * @param service null for all, and then the label names it @throws Temporary when the state directory cannot be read
 */
export function outputsHere(root: string, service: string | null): Source[] {
  const found = new Map<string, Source>()
  for (const { instance, files, of } of instancesOf(root, service)) {
    for (const id of localPartitions(files).sort(byName)) {
      const own = files.partition(id)
      if (readFact(own.acquisition) === null) continue
      const runner = runnerOf(own)
      const label = runner === own ? (service === null ? `${of}/${id}` : id) : instance
      if (statSync(runner.output, { throwIfNoEntry: false }) === undefined) continue
      const partition = runner === own ? id : null
      found.set(runner.output, { service: of, instance, partition, label, file: runner.output })
    }
  }
  return [...found.values()]
}

/** What the handlers of each instance did. @throws Temporary when the state directory cannot be read */
export function logsHere(root: string, service: string | null): Source[] {
  return instancesOf(root, service).map(({ instance, files, of }) => ({
    ...{ service: of, instance, partition: null },
    ...{ label: instance, file: files.log },
  }))
}

/** The services that have an instance here. @throws Temporary when the state directory cannot be read */
export function servicesHere(root: string): string[] {
  return [...new Set(instancesOf(root, null).map(({ of }) => of))].sort(byName)
}

function instancesOf(root: string, service: string | null): { instance: string; files: InstanceFiles; of: string }[] {
  return localInstances(root)
    .sort(byName)
    .flatMap(instance => {
      const files = instanceFiles(root, instance)
      const of = identityOf(files)?.service ?? ''
      return service === null || of === service ? [{ instance, files, of }] : []
    })
}
