/** Which instance a state directory is of, and which there are on this machine. */

import { decode } from '../base/names.ts'
import { directoriesIn, namesIn, readFact } from './facts.ts'
import { type InstanceFiles, instanceFiles } from './paths.ts'

export interface Identity {
  readonly instance: string
  readonly service: string
  readonly boot: string
}

/** Whose state directory this is; null when it was never entered. */
export function identityOf(files: InstanceFiles): Identity | null {
  const text = readFact(files.identity)
  const [instance, service, boot] = text?.split('\n') ?? []
  return instance && service && boot ? { instance, service, boot } : null
}

/**
 * The instances that have a state directory here. One that was put aside bears another name than its owner's.
 * @throws Temporary when that cannot be seen, such as for another user than the agent's
 */
export function localInstances(root: string): string[] {
  // To look for a file in a directory that may not be entered finds nothing, and is no error.
  for (const name of directoriesIn(root)) if (decode(name) !== null) namesIn(`${root}/${name}`)
  return namesIn(root).flatMap(name => {
    const instance = decode(name)
    return instance !== null && identityOf(instanceFiles(root, instance))?.instance === instance ? [instance] : []
  })
}
