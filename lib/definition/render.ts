/** The rendered files of a definition in the form that the programs use, and what an observer's definition lacks. */
import type { Render } from './definition.ts'
import type { DefinitionFile } from './schema.ts'

/** Each field is left out when the file has none, so that the digest stays the same. */
export function rendersFrom(given: NonNullable<DefinitionFile['render']>): Render[] {
  return given.map(({ template, dest, each, mode, owner, check, command, backups, clean, follow, order }) => ({
    template,
    dest,
    ...(each && { each }),
    mode: Number.parseInt(mode, 8),
    ...(owner !== undefined && { owner }),
    ...(check && { check }),
    ...(command && { command }),
    backups,
    ...(clean !== undefined && { clean }),
    ...(follow && { follow }),
    ...(order && { order }),
  }))
}

/** The only fields of an observer: it runs nothing. */
const ofObserver = '$schema role name id title meta variables render register guard versions'.split(' ')
/** The only fields of its `versions`: it prepares none. */
const ofItsVersions = ['pattern', 'first']

/**
 * Why the definition of an observer is refused, as `<field>: <what>; <what to do>`; null when it is not, or the definition is
 * of another role.
 */
export function observerFault(given: unknown): string | null {
  if (!isObserver(given)) return null
  const foreign = Object.keys(given).find(field => !ofObserver.includes(field))
  if (foreign !== undefined) return `${foreign}: is not for an observer, which runs nothing; remove it`
  const preparing = Object.keys(given.versions ?? {}).find(field => !ofItsVersions.includes(field))
  if (preparing !== undefined) return `versions.${preparing}: is not for an observer, which prepares nothing; remove it`
  return given.render === undefined ? 'render: is missing; an observer only renders: give the files' : null
}

/** Whole: with the fields that each member has, and an observer does not need. */
export function whole(given: unknown): unknown {
  if (!isObserver(given)) return given
  return { ...given, partitions: { byHand: true }, run: { command: ['true'] } }
}

function isObserver(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && (given as { role?: unknown }).role === 'observer'
}
