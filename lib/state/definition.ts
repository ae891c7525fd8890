/**
 * Two definitions: the one that the file on this machine offers, and the one in force, which is the last good one that was
 * offered. That is kept in the state directory: a handler that finds the file unchanged needs neither the parser nor the
 * schema, and a file that is broken or gone stops nobody's work.
 */
import { statSync } from 'node:fs'
import { Permanent, reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import { readFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

/** The definition in force, and the file that offered it. */
export interface InForce {
  readonly file: string
  readonly definition: Definition
  readonly digest: string
  /** The digest of what all machines are to have in common: without what a machine may have for itself. */
  readonly shared: string
  /** What tells one version of the file from another without reading it. */
  readonly stamp: string
}

export interface InForceNow extends InForce {
  /** Why what the file offers now is not in force; null when it is. */
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

/** null when this instance has never been offered a good one. */
export function definitionInForce(files: InstanceFiles): InForce | null {
  const text = readFact(files.definition)
  try {
    return text === null ? null : (JSON.parse(text) as InForce)
  } catch {
    return null // written by us; a torn disk: the file itself is read again
  }
}

/**
 * Puts what the file offers in force, if it is good; the last good one stays otherwise.
 * @param keep false when nothing may be written: then it is not in force for others
 * @throws Permanent when what is offered cannot be used and none was in force before
 */
export async function putOfferedInForce(
  files: InstanceFiles,
  file: string,
  id: string,
  keep = true,
): Promise<InForceNow> {
  const inForce = definitionInForce(files)
  const stamp = stampOf(file)
  if (inForce?.stamp === stamp) return { ...inForce, problem: null }
  try {
    const offered = await readOffered(file, stamp, id)
    if (keep) writeFact(files.definition, JSON.stringify(offered))
    return { ...offered, problem: null }
  } catch (error) {
    if (inForce === null) throw error
    return { ...inForce, problem: `${reason(error)} (the last good definition stays in force)` }
  }
}

async function readOffered(file: string, stamp: string, id: string): Promise<InForce> {
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
