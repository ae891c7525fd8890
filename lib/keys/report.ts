/** What stands in `report/<instance>`, and what a partition that is here has to say there. */

import { readFact } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { isOrdinary } from '../state/shepherd-status.ts'

/**
 * Partition -> sentence; under `everything`, which no partition is called, what hinders the whole instance. It inherits
 * nothing: `__proto__` and `constructor` are names like any other.
 */
export type Report = Readonly<Record<string, string>>
export const everything = ''

export function parseReport(text: string | null): Report {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    const report = blank()
    if (typeof value !== 'object' || value === null) return report
    for (const [id, sentence] of Object.entries(value)) if (typeof sentence === 'string') report[id] = sentence
    return report
  } catch {
    return blank()
  }
}

/** A report that says nothing. */
export function blank(): Record<string, string> {
  return Object.create(null) as Record<string, string>
}

/** What is said until the next look, and is no fact of the shepherds. */
const passing = /^(takeover|waits|key refused|queued)\b/

/** What a partition that is here has to say; null when all is as anyone would expect. */
export function remark(local: Local): string | null {
  if (!isAssumed(local)) return null
  const { status, stays, unready } = local
  if (stays !== null) return stays
  return status === null || isOrdinary(status) ? (unready ?? null) : status
}

/** The last report does not say what the shepherds say now. */
export function isReportStale(files: InstanceFiles, local: ReadonlyMap<string, Local>): boolean {
  const said = parseReport(readFact(files.report))
  return [...local].some(([id, one]) => {
    const now = remark(one)
    return now === null ? said[id] !== undefined && !passing.test(said[id]) : said[id] !== now
  })
}
