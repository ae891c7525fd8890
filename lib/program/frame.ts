/** The frame of every program: arguments, --help, a deadline, one error line, the exit code. Only the frame exits. */
import { writeSync } from 'node:fs'
import type { ArgsDef, ParsedArgs } from 'citty'
import { limitRun } from '../base/deadline.ts'
import { Permanent, reason, Temporary } from '../base/errors.ts'
import { printable, printableLines } from '../base/printable.ts'
import { plainArguments } from './plain-arguments.ts'

/** Exit codes. 1 only means that the answer to a question is no. */
export const exit = { done: 0, no: 1, permanent: 100, temporary: 111 } as const

export interface Program<Args extends ArgsDef> {
  readonly name: string
  /** What it does, in one sentence. */
  readonly about: string
  readonly args: Args
  /** Time limit of the whole run, ms: a hung handler would block its watch for ever. null for no limit. */
  readonly deadline: number | null
  /** The exit codes as --help shows them. */
  readonly exits?: string
  /** Called when the deadline passes, instead of the usual line and exit 111. @returns the exit code */
  readonly onDeadline?: () => number
  /** Set for a program that runs a command: the words after the first `--` are that command, not arguments. */
  readonly command?: true
  /** @returns the exit code; undefined means 0 */
  readonly run: (args: ParsedArgs<Args>, command: readonly string[]) => Promise<number | undefined> | Promise<void>
}

const common = {
  help: { type: 'boolean', alias: 'h', description: 'show this and exit' },
  debug: { type: 'boolean', description: 'show every request to Consul and its answer on stderr (or DEBUG=1)' },
} as const

/** Runs a program with the arguments of this process, and ends the process. */
export async function program<const Args extends ArgsDef>(definition: Program<Args>): Promise<void> {
  if (process.platform !== 'linux')
    return end(definition, new Permanent('cannot run here: watchbill needs Linux (/proc)'))
  const { name, deadline } = definition
  limitRun(name, deadline)
  const late = () => {
    if (definition.onDeadline) process.exit(definition.onDeadline())
    end(definition, new Temporary(`cannot finish: ${Number(deadline) / 1000} s are over; it is tried again`))
  }
  const timer = deadline === null ? undefined : setTimeout(late, deadline)
  try {
    const code = await start(definition, process.argv.slice(2))
    clearTimeout(timer)
    process.exit(code)
  } catch (error) {
    end(definition, error)
  }
}

async function start<Args extends ArgsDef>(definition: Program<Args>, words: string[]): Promise<number> {
  const dashes = definition.command ? words.indexOf('--') : -1
  const argv = dashes < 0 ? words : words.slice(0, dashes)
  const command = dashes < 0 ? [] : words.slice(dashes + 1)
  const asked = beforeDashes(argv).find(word => /^(--help(=json)?|-h)$/.test(word))
  if (asked !== undefined) {
    write(1, await usage(definition, asked === '--help=json'))
    return exit.done
  }
  const known: ArgsDef = { ...common, ...definition.args }
  const args = (plainArguments(argv, known) ?? (await readWords(argv, known))) as ParsedArgs<Args>
  if (args.debug) process.env.DEBUG = '1'
  return (await definition.run(args, command)) ?? exit.done
}

/** The words that may be options: after `--` a word is never an option, even if it begins with a dash. */
function beforeDashes(argv: string[]): string[] {
  const dashes = argv.indexOf('--')
  return dashes < 0 ? argv : argv.slice(0, dashes)
}

/** Consul's agent writes its words plainly. Those of people, and wrong ones, are read by a package that is loaded for them. */
async function readWords(argv: string[], known: ArgsDef) {
  const { readArguments } = await import('./words.ts')
  return readArguments(argv, known)
}

/** @param json for what makes man pages and completions of it */
async function usage<Args extends ArgsDef>(definition: Program<Args>, json: boolean): Promise<string> {
  const { described, help } = await import('./help.ts')
  const description = described(definition, common)
  return json ? `${JSON.stringify(description)}\n` : help(description)
}

/** Prints the error and exits: one line for an expected error, a stack only for a bug. */
function end({ name }: { readonly name: string }, error: unknown): void {
  // By name, not instanceof: a release is bundled, and may hold the same class twice.
  const expected = error instanceof Error && (error.name === 'Permanent' || error.name === 'Temporary')
  const permanent = expected && error.name === 'Permanent'
  const text = expected ? reason(error) : `cannot go on: a bug: ${error instanceof Error ? error.stack : String(error)}`
  const shown = expected ? printable(text) : printableLines(text)
  write(2, `${name}: ${permanent ? 'permanent' : 'temporary'}: ${shown}\n`)
  process.exit(permanent ? exit.permanent : exit.temporary)
}

/** So many lines are written at a time: of a large service there are a hundred thousand. */
const atOnce = 1000

/**
 * Prints a line, or an array of lines, on stdout. Text from Consul must not control the terminal or look like another line
 * of ours, so control characters are escaped: one string is one line.
 */
export function print(lines: string | readonly string[]): void {
  const all = [lines].flat()
  let from = 0
  do {
    const some = all.slice(from, from + atOnce).map(printable)
    if (!write(1, `${some.join('\n')}\n`)) return
    from += atOnce
  } while (from < all.length)
}

/** Prints bytes as they are. @returns false when the reader of stdout has gone, so that no more need be printed */
export function printBytes(bytes: Uint8Array): boolean {
  return write(1, bytes)
}

/** Prints a line on stderr that is not an error. */
export function remark(line: string): void {
  write(2, `${printable(line)}\n`)
}

/**
 * Writes without Node's streams: they take a tenth of a handler's start time, and may lose output when the process exits.
 * @returns false when the reader has gone, which is no error
 */
function write(descriptor: 1 | 2, text: string | Uint8Array): boolean {
  for (let rest = typeof text === 'string' ? Buffer.from(text) : text; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN' && descriptor === 2) return false // there is nobody to tell
      if (code !== 'EAGAIN')
        throw new Temporary(`cannot write the output: ${reason(error)}; was it sent to a full disk?`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5) // the pipe is full
    }
  }
  return true
}

/** Prints a request or an answer on stderr, when `--debug` or DEBUG is set. */
export function debugLine(line: string): void {
  if (process.env.DEBUG) write(2, `${printable(`debug: ${line}`)}\n`)
}
