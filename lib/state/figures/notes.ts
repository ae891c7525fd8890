/**
 * What handlers leave for the next tick to count: one line for each of their runs, and for what they did. Each appends
 * to one file; the tick takes it away and adds it up. A line that is lost costs a figure and nothing else, so nothing
 * here throws.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { readFact, writeFact } from '../facts.ts'
import type { InstanceFiles } from '../paths.ts'

/** Without a guard nobody takes the notes away: no more than this, bytes. */
const most = 65_536

type Files = Pick<InstanceFiles, 'notes' | 'totals' | 'figures'>

/** Whether figures are kept at all: WATCHBILL_FIGURES=off in the agent's environment. */
export function areKept(): boolean {
  return process.env.WATCHBILL_FIGURES !== 'off'
}

/** @param what a name, and how much: `handover 1200`, or of a run `on-service 80 55 3 12000` */
export function note({ notes, figures }: Files, ...what: readonly string[]): void {
  if (what.length === 0 || !areKept()) return
  try {
    if (!existsSync(figures) || (statSync(notes, { throwIfNoEntry: false })?.size ?? 0) > most) return
    appendFileSync(notes, `${what.join('\n')}\n`, { mode: 0o600 })
  } catch {
    // a full or read-only disk: the figure is missing
  }
}

/** Writes a figure of a partition into a file of its own, for its next row. */
export function noteFact({ figures }: Files, file: string, figure: number): void {
  if (!areKept() || !existsSync(figures)) return
  try {
    writeFact(file, String(Math.round(figure)))
  } catch {
    // the figure is missing, as above
  }
}

/** Name -> how often, and the sums of up to four numbers. The file has a line for each: `<name> <count> <sum> <sum> …`. */
export function totalsOf({ totals }: Pick<Files, 'totals'>): Map<string, number[]> {
  const lines = readFact(totals)?.split('\n') ?? []
  return new Map(
    lines.flatMap(line => {
      const [name = '', ...numbers] = line.split(' ')
      const all = numbers.map(Number)
      return /^[\w-]+$/.test(name) && all.every(Number.isFinite) ? [[name, all] as const] : []
    }),
  )
}

export interface Taken {
  /** Runs of handlers since the last tick, what they took, ms, and the longest answer of Consul to one, bytes. */
  readonly runs: number
  readonly runsMs: number
  readonly lookBytes: number | undefined
}

/** Adds up what was noted since the last tick. @throws Temporary when the totals cannot be written */
export function takeNotes(files: Files): Taken {
  if (!existsSync(files.notes)) return { runs: 0, runsMs: 0, lookBytes: undefined }
  const aside = `${files.notes}.taken`
  renameSync(files.notes, aside)
  const lines = readFileSync(aside, 'latin1').split('\n').flatMap(parsed)
  rmSync(aside, { force: true })
  const totals = totalsOf(files)
  for (const { name, numbers } of lines) {
    const [count = 0, ...sums] = totals.get(name) ?? []
    totals.set(name, [count + 1, ...numbers.map((number, at) => number + (sums[at] ?? 0))])
  }
  writeFact(files.totals, [...totals].map(([name, numbers]) => [name, ...numbers].join(' ')).join('\n'))
  const runs = lines.filter(({ name }) => isHandler(name))
  const bytes = runs.map(({ numbers }) => numbers[3] ?? 0)
  return {
    runs: runs.length,
    runsMs: runs.reduce((sum, { numbers }) => sum + (numbers[0] ?? 0), 0),
    lookBytes: runs.length > 0 ? Math.max(...bytes) : undefined,
  }
}

/** Of what is noted that is no run: see act/. */
const deeds = ['acquired', 'hand-over', 'takeover']

export function isHandler(name: string): boolean {
  return !deeds.includes(name)
}

function parsed(line: string): { name: string; numbers: number[] }[] {
  const match = /^([a-z][a-z-]{0,19})((?: \d{1,15}){0,4})$/.exec(line)
  return match
    ? [{ name: match[1] as string, numbers: (match[2] as string).trim().split(' ').filter(Boolean).map(Number) }]
    : []
}
