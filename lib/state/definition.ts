/**
 * There are two definitions: the one that the file on this machine offers, and the one in force, which is the last good
 * one that was offered. The latter is kept in the state directory. A handler that finds the file unchanged needs
 * neither the parser nor the schema, and a broken or missing file stops no work.
 */
import { statSync } from 'node:fs'
import { Permanent, reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import { readFact, writeFact } from './facts.ts'
import { isBounded } from './limits-path.ts'
import type { InstanceFiles } from './paths.ts'

/** The definition in force, and the file that offered it. */
export interface InForce {
  readonly file: string
  readonly definition: Definition
  readonly digest: string
  /** The digest of the fields that all machines must share. */
  readonly shared: string
  /** Identifies a version of the file without reading it. */
  readonly stamp: string
}

export interface InForceNow extends InForce {
  /** Why the offered definition is not in force; null when it is. */
  readonly problem: string | null
}

/** Raised when `Definition` changes its shape, so that an upgrade reads the file again. */
const format = 5

/** The stamp of a file; "gone" when it does not exist. */
export function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  // The name is also in definition/variables.ts, which is too costly to load at every start.
  const given = process.env.WATCHBILL_VARIABLES ?? ''
  return stat ? `${format} ${file} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${given}` : `${file} gone`
}

/** Null when this instance was never offered a good definition. */
export function definitionInForce(files: InstanceFiles): InForce | null {
  const text = readFact(files.definition)
  try {
    return text === null ? null : (JSON.parse(text) as InForce)
  } catch {
    return null // a damaged disk: the definition file is read again
  }
}

/**
 * Puts the offered definition in force if it is good; otherwise the last good one stays.
 * @param keep false when nothing may be written: then it is in force only for this run
 * @throws Permanent when the offered one cannot be used and none was in force before
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
    const offered = await readOffered(file, stamp, id, readFact(files.session) !== null)
    await mustBeAllowed(files, file, offered.definition, keep)
    if (keep) writeFact(files.definition, JSON.stringify(offered))
    return { ...offered, problem: null }
  } catch (error) {
    if (inForce === null) throw error
    return { ...inForce, problem: `${reason(error)} (the last good definition stays in force)` }
  }
}

/** @throws Permanent when the limits of this machine do not allow it */
async function mustBeAllowed(files: InstanceFiles, file: string, definition: Definition, keep: boolean): Promise<void> {
  if (!isBounded()) return
  const { refusalOfOffered } = await import('./allowed.ts')
  const why = refusalOfOffered(files.directory, definition, keep)
  if (why !== null) throw new Permanent(`cannot use the definition ${file}: ${why}`)
}

/** @param takesPart it has a session, and may hold locks */
async function readOffered(file: string, stamp: string, id: string, takesPart: boolean): Promise<InForce> {
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
  if (definition.role === 'observer' && takesPart)
    throw new Permanent(
      `cannot use the definition ${file}: role: ${definition.id} takes part here; say watchbill leave ${definition.name} before it becomes an observer`,
    )
  return { definition, digest: digest(definition), shared: sharedDigest(definition), stamp, file }
}
