/** Plain text tables. */
import { printable } from './printable.ts'
import { wrapped } from './wrap.ts'

export interface Layout {
  /** How wide a line may be: the last column is broken into lines that fit. No limit when left out. */
  readonly width?: number | undefined
  /** What a cell looks like once it is as wide as its column, such as with a colour. */
  readonly dress?: ((text: string, row: number, column: number) => string) | undefined
}

/** A last column that is narrower than this is not broken: the terminal does that better. */
const narrowest = 24

/**
 * Lines with columns as wide as their widest cell, two spaces between columns and no trailing spaces. A line break
 * inside a cell is escaped.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[], layout: Layout = {}): string[] {
  return rowsOf(head, rows, layout).flat()
}

/** The same with the lines of each row apart; the first are those of the head. */
export function rowsOf(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width: limit, dress = text => text }: Layout,
): string[][] {
  const all = [head, ...rows.map(row => row.map(printable))]
  const widths = head.map((_, column) => all.reduce((widest, row) => Math.max(widest, width(row[column] ?? '')), 0))
  const last = head.length - 1
  const before = widths.slice(0, last).reduce((sum, one) => sum + one + 2, 0)
  const room = limit === undefined || limit - before < narrowest ? Number.POSITIVE_INFINITY : limit - before
  return all.map((row, place) => {
    const [first = '', ...more] = wrapped(row[last] ?? '', room)
    const cells = row
      .slice(0, last)
      .map((cell, column) => dress(pad(cell, widths[column] as number), place - 1, column))
    const line = [...cells, dress(first, place - 1, last)].join('  ').trimEnd()
    return [line, ...more.map(piece => ' '.repeat(before) + dress(piece, place - 1, last))]
  })
}

function width(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : [...text].length
}

function pad(text: string, to: number): string {
  return text + ' '.repeat(Math.max(0, to - width(text)))
}
