/** The instance that a state directory belongs to, and the instances on this machine. */

import { decode } from '../base/names.ts'
import { directoriesIn, namesIn, readFact } from './facts.ts'
import { type InstanceFiles, instanceFiles } from './paths.ts'

export interface Identity {
  readonly instance: string
  readonly service: string
  readonly boot: string
}

/** The owner of this state directory; null when it was never used. */
export function identityOf(files: InstanceFiles): Identity | null {
  const text = readFact(files.identity)
  const [instance, service, boot] = text?.split('\n') ?? []
  return instance && service && boot ? { instance, service, boot } : null
}

/**
 * The instances that have a state directory here. A directory that was put aside has another name than its owner.
 * @throws Temporary when the directories cannot be read, for example as another user than the agent's
 */
export function localInstances(root: string): string[] {
  // In a directory that may not be entered, a test for a file finds nothing and reports no error; namesIn does.
  for (const name of directoriesIn(root)) if (decode(name) !== null) namesIn(`${root}/${name}`)
  return namesIn(root).flatMap(name => {
    const instance = decode(name)
    return instance !== null && identityOf(instanceFiles(root, instance))?.instance === instance ? [instance] : []
  })
}
