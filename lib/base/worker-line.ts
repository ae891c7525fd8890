/** The assignment of a worker (one process for all partitions of an instance): one line of JSON per partition. Pure. */

export interface Handed {
  readonly id: string
  /** The fencing token of the acquisition. */
  readonly token: string
  /** Path of the file that holds its document; null when it has none. */
  readonly document: string | null
  /** When it was handed over, by the wall clock, for people. It also tells apart two hand-overs with the same token. */
  readonly since: string
}

export function lineOf({ id, token, document, since }: Handed): string {
  return JSON.stringify({ id, token, document, since })
}

/** Null when `lineOf` could not have written the line. */
export function parseHanded(line: string | null): Handed | null {
  try {
    const value = JSON.parse(line ?? 'null') as Partial<Record<string, unknown>> | null
    if (typeof value !== 'object' || value === null) return null
    const { id, token, document, since } = value
    const known = typeof id === 'string' && typeof token === 'string' && typeof since === 'string'
    return known ? { id, token, document: typeof document === 'string' ? document : null, since } : null
  } catch {
    return null
  }
}

/** The lines of an assignment after lines were added and the partitions `without` were removed. */
export function changedLines(before: string | null, added: readonly string[], without: ReadonlySet<string>): string[] {
  const replaced = new Set(added.flatMap(line => parseHanded(line)?.id ?? []))
  const kept = (before ?? '').split('\n').filter(line => {
    const id = parseHanded(line)?.id
    return id !== undefined && !without.has(id) && !replaced.has(id)
  })
  return [...kept, ...added]
}
