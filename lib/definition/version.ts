/** Versions of the program that a service runs: what may be one, and what is refused without `versions`. */
import { PatternError, pattern } from '../base/pattern.ts'
import { isVersion } from '../base/version.ts'
import type { Versions } from './definition.ts'

/** The last answers: one is asked for each partition that is started. */
const known = new Map<string, boolean>()
const mostKnown = 100

/** Whether a definition lets this version run. @throws PatternError when the pattern is none */
export function allows({ pattern: source }: Pick<Versions, 'pattern'>, version: string): boolean {
  if (!isVersion(version)) return false
  const asked = `${source} ${version}`
  const before = known.get(asked)
  if (before !== undefined) return before
  const found = pattern(source)(version)
  if (known.size > mostKnown) known.clear()
  known.set(asked, found)
  return found
}

/** The same for a pattern that comes from a member key, which somebody else may have written. */
export function allowsAt(source: string, version: string): boolean {
  try {
    return allows({ pattern: source }, version)
  } catch (error) {
    if (error instanceof PatternError) return false
    throw error
  }
}

/** Where `{version}` stands in what a definition runs: the path of the first such text; null when it stands nowhere. */
export function versionPlace(value: unknown, path: readonly PropertyKey[] = []): readonly PropertyKey[] | null {
  if (typeof value === 'string') return value.includes('{version}') ? path : null
  if (typeof value !== 'object' || value === null) return null
  const inner = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  for (const [key, one] of inner) {
    const place = versionPlace(one, [...path, key])
    if (place !== null) return place
  }
  return null
}
