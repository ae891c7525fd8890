import { fieldPath } from './wording.ts'

/** One issue that zod found. */
export type Issue = {
  code: string
  path: PropertyKey[]
  message: string
  keys?: string[]
  /** For a union: the issues of each of its options. */
  errors?: Issue[][]
}

/**
 * The first issue, with its field, and the number of other fields with issues. A misspelt field comes before the
 * required field that is missing because of it.
 */
export function firstOf(issues: readonly Issue[]): string {
  const problems = new Map<string, string>()
  const sorted = issues.flatMap(inside).toSorted((a, b) => Number(Boolean(b.keys)) - Number(Boolean(a.keys)))
  for (const { path, keys, message } of sorted) {
    for (const full of keys ? keys.map(key => [...path, key]) : [path]) {
      const field = fieldPath(full)
      if (!problems.has(field)) problems.set(field, field === '' ? `it ${message}` : `${field}: ${message}`)
    }
  }
  const [first] = problems.values()
  return problems.size > 1 ? `${first} (and ${problems.size - 1} more)` : String(first)
}

/** For a union: the issues of the one option that accepts the kind of the given value, if exactly one does. */
function inside(issue: Issue): Issue[] {
  const isInside = ({ path, keys }: Issue) => path.length > 0 || keys !== undefined
  const [meant, ...others] = (issue.errors ?? []).filter(errors => errors.length > 0 && errors.every(isInside))
  if (meant === undefined || others.length > 0) return [issue]
  return meant.flatMap(one => inside({ ...one, path: [...issue.path, ...one.path] }))
}
