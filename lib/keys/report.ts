/** The value of `report/<instance>`, and the remark that a partition of this instance has in it. */

import { readFact } from '../state/facts.ts'
import { isAssumed, type Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { isOrdinary } from '../state/shepherd-status.ts'

/**
 * Partition -> sentence. The key `everything`, which no partition can have as its id, holds what hinders the whole
 * instance. The object has no prototype, because `__proto__` and `constructor` are valid ids.
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

/** An empty report. */
export function blank(): Record<string, string> {
  return Object.create(null) as Record<string, string>
}

/** Sentences that hold until the next look, and do not come from the shepherds. */
const passing = /^(takeover|waits|key refused|queued|no version)\b/

/** The remark on a partition of this instance; null when all is as expected. */
export function remark(local: Local): string | null {
  if (!isAssumed(local)) return null
  const { status, stays, unready, warning } = local
  if (stays !== null) return stays
  return status === null || isOrdinary(status) ? (unready ?? warning ?? null) : status
}

/** The last report differs from what the shepherds say now. */
export function isReportStale(files: InstanceFiles, local: ReadonlyMap<string, Local>): boolean {
  const said = parseReport(readFact(files.report))
  return [...local].some(([id, one]) => {
    const now = remark(one)
    return now === null ? said[id] !== undefined && !passing.test(said[id]) : said[id] !== now
  })
}
