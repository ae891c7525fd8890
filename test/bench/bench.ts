/** What benches share: rows and their table, fresh processes, and paired runs of commands. All times are ms. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

/** One figure. `bar` is what it is held against; null for a figure that is only told. */
export interface Row {
  readonly row: string
  readonly value: number
  readonly unit?: string
  readonly bar: number | null
  readonly ok: boolean
}

export type Progress = (line: string) => void

/** What a module test/bench/<name>.ts exports as default. */
export type Bench = (progress: Progress) => Promise<readonly Row[]>

/** A row that must not exceed its bar. */
export function atMost(bar: number, row: string, value: number, unit?: string): Row {
  return { row, value: round(value), ...(unit && { unit }), bar, ok: value <= bar }
}

/** A row that must hit its bar. */
export function exactly(bar: number, row: string, value: number, unit?: string): Row {
  return { row, value, ...(unit && { unit }), bar, ok: value === bar }
}

/** A row without a bar. */
export function told(row: string, value: number, unit?: string): Row {
  return { row, value: round(value), ...(unit && { unit }), bar: null, ok: true }
}

/** The rows for people, in columns. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ row, value, unit, bar, ok }) => {
    return [row, `${value}${unit ? ` ${unit}` : ''}`, bar === null ? '-' : String(bar), ok ? 'yes' : 'NO']
  })
  const lines = [['row', 'figure', 'bar', 'ok'], ...cells]
  const widths = [0, 1, 2, 3].map(column => Math.max(...lines.map(line => line[column]?.length ?? 0)))
  return lines
    .map(line =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The rows for programs, on one line. */
export function json(bench: string, rows: readonly Row[]): string {
  return JSON.stringify({ bench, rows: rows.map(({ row, value, bar, ok }) => ({ row, value, bar, ok })) })
}

/** The middle one, or the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2
}

/** The median of a round's quotients: what slows a whole round down does not count. */
export function ratio(numbers: readonly number[], base: readonly number[]): number {
  return median(numbers.map((number, at) => number / (base[at] as number)))
}

/**
 * Runs each task once a round, one after the other, and gives each task's results of all rounds. Every other round
 * runs backwards, so that nobody always follows the same neighbour; one round before them, to fill the file cache,
 * does not count.
 */
export async function interleaved<T>(rounds: number, tasks: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const results: T[][] = tasks.map(() => [])
  for (let round = -1; round < rounds; round++) {
    const order = [...tasks.keys()]
    if (round % 2) order.reverse()
    for (const at of order) {
      const result = await (tasks[at] as () => Promise<T>)()
      if (round >= 0) results[at]?.push(result)
    }
  }
  return results
}

/** Our environment without what would change how a node child starts. */
export function plainEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env
  return { ...env, ...extra }
}

/** The stdout of a new node process with these arguments. @throws when it does not exit with 0. */
export async function fresh(args: readonly string[], input?: Buffer | string): Promise<string> {
  const child = spawn(process.execPath, args, { env: plainEnv(), stdio: ['pipe', 'pipe', 'inherit'] })
  feed(child.stdin, input)
  const [output, [status]] = await Promise.all([buffer(child.stdout), once(child, 'close')])
  if (status !== 0) throw new Error(`${args.join(' ')} exited with ${status}`)
  return output.toString()
}

export interface Command {
  readonly name: string
  readonly argv: readonly string[]
  /** What it finds on stdin; nothing when absent. */
  readonly input?: Buffer
  /** Added to our environment; see `plainEnv`. */
  readonly env?: NodeJS.ProcessEnv
}

export interface Measured {
  readonly name: string
  readonly wallMedian: number
  readonly cpuMedian: number
  /** One for each round, in the rounds' order, for `ratio`. */
  readonly walls: readonly number[]
  readonly cpus: readonly number[]
}

/**
 * Runs the commands in turns, `runs` times each: wall time, and CPU time (user and system) of the command and of the
 * children it waited for. Their stdout is dropped. @throws when a command does not exit with 0.
 */
export async function paired(runs: number, commands: readonly Command[]): Promise<Measured[]> {
  const results = await interleaved(
    runs,
    commands.map(command => () => measure(command)),
  )
  return commands.map(({ name }, at) => {
    const walls = (results[at] ?? []).map(({ wall }) => wall)
    const cpus = (results[at] ?? []).map(({ cpu }) => cpu)
    return { name, wallMedian: median(walls), cpuMedian: median(cpus), walls, cpus }
  })
}

// Node cannot say what a child used, bash can: its `time` is the difference of getrusage(RUSAGE_CHILDREN), to the
// millisecond. The clock is read right beside the command, so that bash's own start does not count.
const stopwatch = `
  TIMEFORMAT='%3U %3S'
  { from=$EPOCHREALTIME; time "$@" 2>&4 3>&- 4>&-; status=$?; to=$EPOCHREALTIME; } 4>&2 2>&3
  echo "$from $to" >&3
  exit $status`

export async function measure({ name, argv, input, env }: Command): Promise<{ wall: number; cpu: number }> {
  const child = spawn('bash', ['-c', stopwatch, 'bash', ...argv], {
    env: plainEnv(env),
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  })
  feed(child.stdin as Writable, input)
  const [times, errors, [status]] = await Promise.all([
    buffer(child.stdio[3] as Readable),
    buffer(child.stderr as Readable),
    once(child, 'close'),
  ])
  if (status !== 0) throw new Error(`${name} exited with ${status}: ${errors.toString().trim()}`)
  const [user, system, from, to] = times.toString().replaceAll(',', '.').split(/\s+/).map(Number) as Four
  return { wall: (to - from) * 1000, cpu: (user + system) * 1000 }
}

type Four = [number, number, number, number]

function feed(stdin: Writable, input: Buffer | string = '') {
  // One that exits without reading its input is no fault of ours.
  stdin.on('error', () => {})
  stdin.end(input)
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
