/** How much of a status is shown: everything to a program; on a terminal what fits, what needs a person first. Pure. */
import type { Terminal } from '../../program/terminal.ts'
import { chosen, type Wanted } from './choose.ts'
import { lengthOf, page } from './page.ts'
import type { Status } from './status.ts'

/** On a terminal, longer pages show only what is not as it should be. */
const longest = 50

export interface Asked extends Wanted {
  /** Everything, however long that is. */
  readonly all?: boolean | undefined
}

/** One page for each service, with an empty line between them. */
export function pages(all: readonly Status[], asked: Asked, terminal: Terminal | null): string[] {
  const short = isShortened(all, asked, terminal)
  const wanted = { ...asked, problems: asked.problems ?? short }
  const each = all.map(status =>
    page(status, {
      choice: chosen(status, wanted),
      columns: terminal?.columns,
      colours: terminal?.colours ?? false,
      lines: short ? Math.floor((Number(terminal?.rows) - 1) / all.length) - (all.length > 1 ? 1 : 0) : undefined,
      counts: wanted.problems,
    }),
  )
  return each.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
}

/** Whoever says what to show is shown that. */
function isShortened(all: readonly Status[], asked: Asked, terminal: Terminal | null): boolean {
  if (terminal === null || asked.all || asked.problems) return false
  if (asked.instance !== undefined || asked.state !== undefined || asked.partition !== undefined) return false
  return all.reduce((sum, status) => sum + lengthOf(status), 0) > longest
}

/** The whole screen of `--watch`: never more than fits. */
export function screen(
  status: Status,
  asked: Asked,
  { columns, rows, colours }: Terminal,
  marked: ReadonlySet<string>,
  foot: string,
): string[] {
  const short = isShortened([status], asked, { columns, rows, colours })
  const wanted = { ...asked, problems: asked.problems ?? short }
  const choice = chosen(status, wanted, marked)
  const lines = page(status, { choice, columns, colours, lines: rows - 2, broken: true, marked, counts: true })
  return [...lines.slice(0, rows - 1), foot]
}
