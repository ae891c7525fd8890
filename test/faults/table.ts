/** A line per trial, for people. */
import type { Outcome } from './trial.ts'

const columns = [24, 8, 9, 9, 7, 9, 11, 9, 6]

function cells(texts: readonly string[]): string {
  return texts
    .map((text, at) => text.padEnd(columns[at] ?? 0))
    .join(' ')
    .trimEnd()
}

export function heading(): string {
  const words = ['fault', 'on', 'overlap', 'residual', 'stale', 'gap', 'after loss', 'through', 'took']
  return cells([...words, 'verdict'])
}

export function line(outcome: Outcome): string {
  const { faultNames, hosts, overlap, residual, stale, refused, longestGap, afterLoss, faults } = outcome
  return cells([
    faultNames.join(' + '),
    hosts.join(','),
    s(overlap),
    residual === 0 ? '-' : s(residual),
    refused === 0 ? '-' : `${stale}/${refused}`,
    s(longestGap),
    afterLoss === null ? '-' : s(afterLoss),
    `${outcome.ranThrough}/${outcome.before}`,
    `${outcome.seconds} s`,
    faults.length === 0 ? 'passed' : 'FAILED',
  ])
}

function s(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
