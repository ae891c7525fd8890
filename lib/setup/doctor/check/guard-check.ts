import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe } from '../finding.ts'

/** Without "passing" a restart of the agent may lose the session: 5 of 6 did (seen on 1.8.7). */
export function guardChecks({ installed }: Facts): Finding[] {
  return installed.flatMap(({ file, id, problem, initialStatus }) => {
    if (problem !== null) return []
    if (initialStatus === 'passing') return ok(`the guard of ${id} starts as passing`)
    const how = initialStatus === null ? 'is not there, or has no first status' : `starts as ${initialStatus}`
    return unsafe(
      `the guard of ${id} ${how}: a restart of the agent may lose its locks`,
      `run configure, or mend ${file}`,
    )
  })
}
