import { fieldPath } from './wording.ts'

/** What zod says of a mistake. */
export type Issue = { code: string; path: PropertyKey[]; message: string; keys?: string[] }

/**
 * The first thing that is wrong, by its field, and how many more fields are. A misspelt field comes before the one that
 * is missing because of it.
 */
export function firstOf(issues: readonly Issue[]): string {
  const problems = new Map<string, string>()
  const sorted = issues.toSorted((a, b) => Number(Boolean(b.keys)) - Number(Boolean(a.keys)))
  for (const { path, keys, message } of sorted) {
    for (const full of keys ? keys.map(key => [...path, key]) : [path]) {
      const field = fieldPath(full)
      if (!problems.has(field)) problems.set(field, field === '' ? `it ${message}` : `${field}: ${message}`)
    }
  }
  const [first] = problems.values()
  return problems.size > 1 ? `${first} (and ${problems.size - 1} more)` : String(first)
}
