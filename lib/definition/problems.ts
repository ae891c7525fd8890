import { fieldPath } from './wording.ts'

/** What zod says of a mistake. */
export type Issue = {
  code: string
  path: PropertyKey[]
  message: string
  keys?: string[]
  /** Of a union: what is wrong with each of its options. */
  errors?: Issue[][]
}

/**
 * The first thing that is wrong, by its field, and how many more fields are. A misspelt field comes before the one that
 * is missing because of it.
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

/** Of a union what is wrong inside the option that was meant, where only one has the kind of what was given. */
function inside(issue: Issue): Issue[] {
  const isInside = ({ path, keys }: Issue) => path.length > 0 || keys !== undefined
  const [meant, ...others] = (issue.errors ?? []).filter(errors => errors.length > 0 && errors.every(isInside))
  if (meant === undefined || others.length > 0) return [issue]
  return meant.flatMap(one => inside({ ...one, path: [...issue.path, ...one.path] }))
}
