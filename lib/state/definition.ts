/**
 * The definition as it was last accepted, kept in the state directory: a handler that finds the file unchanged needs
 * neither the parser nor the schema, and a file that is broken or gone stops nobody's work.
 */
import { statSync } from 'node:fs'
import { Permanent, reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import { readFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

export interface Accepted {
  readonly file: string
  readonly definition: Definition
  readonly digest: string
  /** The digest of what all machines are to have in common: without what a machine may have for itself. */
  readonly shared: string
  /** What tells one version of the file from another without reading it. */
  readonly stamp: string
}

export interface CurrentDefinition extends Accepted {
  /** Why the file as it is now was not taken; null when it was. */
  readonly problem: string | null
}

/** Goes up when `Definition` gets another shape, so that an upgrade reads the file again. */
const format = 5

/** "gone" when there is no such file. */
export function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  const given = process.env.WATCHBILL_VARIABLES ?? '' // see definition/variables.ts, which not every start can afford
  return stat ? `${format} ${file} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${given}` : `${file} gone`
}

/** The last accepted definition; null when there is none. */
export function acceptedDefinition(files: InstanceFiles): Accepted | null {
  const text = readFact(files.definition)
  try {
    return text === null ? null : (JSON.parse(text) as Accepted)
  } catch {
    return null // written by us; a torn disk: the file itself is read again
  }
}

/**
 * The definition in force.
 * @param keep false when nothing may be written
 * @throws Permanent when the file cannot be used and none was accepted before.
 */
export async function currentDefinition(
  files: InstanceFiles,
  file: string,
  id: string,
  keep = true,
): Promise<CurrentDefinition> {
  const accepted = acceptedDefinition(files)
  const stamp = stampOf(file)
  if (accepted?.stamp === stamp) return { ...accepted, problem: null }
  try {
    const fresh = await read(file, stamp, id)
    if (keep) writeFact(files.definition, JSON.stringify(fresh))
    return { ...fresh, problem: null }
  } catch (error) {
    if (accepted === null) throw error
    return { ...accepted, problem: `${reason(error)} (the last good definition stays in force)` }
  }
}

async function read(file: string, stamp: string, id: string): Promise<Accepted> {
  const [{ loadDefinition }, { digest, sharedDigest }] = await Promise.all([
    import('../definition/load.ts'),
    import('../definition/digest.ts'),
  ])
  const definition = await loadDefinition(file)
  if (definition.id !== id) {
    throw new Permanent(
      `cannot use the definition ${file}: id: it is ${definition.id}, but this instance is ${id}; run configure again`,
    )
  }
  return { definition, digest: digest(definition), shared: sharedDigest(definition), stamp, file }
}
