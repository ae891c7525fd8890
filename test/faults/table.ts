/** One line per trial, for people. */
import { isWhole, type Played } from './play.ts'

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

/** The trial on one line, and one more line for each thing that was wrong. */
export function line(played: Played): string {
  return [cells(row(played)), ...played.faults.map(fault => `    ${fault}`)].join('\n')
}

function row(played: Played): string[] {
  const names = [played.faultNames.join(' + '), played.hosts.join(',')]
  if (!isWhole(played)) return [...names, 'FAILED']
  const { overlap, residual, stale, refused, longestGap, afterLoss, faults } = played
  return [
    ...names,
    s(overlap),
    residual === 0 ? '-' : s(residual),
    refused === 0 ? '-' : `${stale}/${refused}`,
    s(longestGap),
    afterLoss === null ? '-' : s(afterLoss),
    `${played.ranThrough}/${played.before}`,
    `${played.seconds} s`,
    `${faults.length === 0 ? 'passed' : 'FAILED'}${played.twice === undefined ? '' : `, beside it ${s(played.twice)} twice`}`,
  ]
}

function s(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
