/** Plain text tables. */
import { printable } from './printable.ts'

/**
 * Lines with columns as wide as their widest cell, two spaces between columns and no trailing spaces. A line break
 * inside a cell is escaped.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows.map(row => row.map(printable))]
  const widths = head.map((_, column) => all.reduce((widest, row) => Math.max(widest, width(row[column] ?? '')), 0))
  return all.map(row =>
    row
      .map((cell, column) => pad(cell, widths[column] as number))
      .join('  ')
      .trimEnd(),
  )
}

function width(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : [...text].length
}

function pad(text: string, to: number): string {
  return text + ' '.repeat(Math.max(0, to - width(text)))
}
