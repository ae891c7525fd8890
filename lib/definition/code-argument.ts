/**
 * Commands whose arguments a program reads as code: `sh -c`, `env -S`, `python3 -c`. A placeholder in code would let an id,
 * which anyone who may write partitions chooses, decide what is executed.
 */
import { basename } from 'node:path'
import { type Placeholder, placeholders } from './expand.ts'

interface Reader {
  readonly program: RegExp
  /** The option whose argument, or whose own rest, is code. */
  readonly code: RegExp
  /** Options whose value is the next argument. */
  readonly valued: RegExp
  /** How many arguments that are no options may stand before it; 0 when it is left out. */
  readonly before?: number
}

const shells = '(r?ba|da|a|[lmpd]*k|z|c|tc|fi|ya|o)?sh[0-9]*|pdksh|ksh93'
// Short options may stand together, as in `bash -euc`.
const readers: readonly Reader[] = [
  {
    program: named(shells),
    code: /^[-+][A-Za-z]*c|^--command\b/,
    valued: /^[-+][A-Za-z]*[oO]$|^--(rcfile|init-file)$/,
  },
  { program: named('su|runuser'), code: /^-[A-Za-z]*c|^--(session-)?command\b/, valued: /^-[sgGwu]$/, before: 1 },
  { program: named('flock|script'), code: /^-[A-Za-z]*c|^--command\b/, valued: /^-[wEIOBTEm]$/, before: 1 },
  { program: named('env'), code: /^-[A-Za-z]*S|^--split-string\b/, valued: /^-[uC]$/ },
  { program: named('python[0-9.]*|pypy[0-9.]*'), code: /^-[A-Za-z]*c/, valued: /^-[A-Za-z]*[WX]$/ },
  { program: named('perl[0-9.]*|ruby[0-9.]*|lua[0-9.]*|luajit'), code: /^-[A-Za-z0-9]*[eE]/, valued: /^-[IlC]$/ },
  {
    program: named('node|nodejs'),
    code: /^-[a-z]*[ep]|^--(eval|print)\b/,
    valued: /^(-[rC]|--(require|import|loader))$/,
  },
  { program: named('php[0-9.]*'), code: /^-[rBRE]/, valued: /^-[cdfz]$/ },
]

function named(names: string): RegExp {
  return new RegExp(`^(?:${names})$`)
}

export interface InCode {
  /** Which argument. */
  readonly index: number
  readonly placeholder: Placeholder
  /** What reads it as code: `sh -c`. */
  readonly by: string
}

/** The first placeholder that would become code; null when there is none. What follows the code are its parameters. */
export function placeholderInCode(args: readonly string[]): InCode | null {
  for (const [at, argument] of args.entries()) {
    // Wherever it stands: behind env, timeout, nice, sudo, busybox.
    const reader = readers.find(({ program }) => program.test(basename(argument)))
    const option = reader === undefined ? null : codeOption(reader, args, at + 1)
    if (reader === undefined || option === null) continue
    const end = afterOptions(reader, args, option)
    for (let index = option; index <= end; index++) {
      const placeholder = placeholders.find(word => args[index]?.includes(`{${word}}`))
      if (placeholder) return { index, placeholder, by: `${basename(argument)} ${short(args[option] as string)}` }
    }
  }
  return null
}

/** Where the option stands; null when a script's name, or nothing, comes first: what follows that are its own arguments. */
function codeOption({ code, valued, before = 0 }: Reader, args: readonly string[], from: number): number | null {
  let others = 0
  for (let index = from; index < args.length; index++) {
    const argument = args[index] as string
    if (code.test(argument)) return index
    if (argument === '--') return null
    if (!/^[-+]/.test(argument) && ++others > before) return null
    if (valued.test(argument)) index++
  }
  return null
}

/** Options may stand between -c and its script: `sh -c -e script`, `bash -c -o pipefail script`. */
function afterOptions({ valued }: Reader, args: readonly string[], option: number): number {
  let index = option + 1
  while (/^[-+]/.test(args[index] ?? '')) index += valued.test(args[index] as string) ? 2 : 1
  return index
}

/** Of `-Ssh -c …` only the option. */
function short(option: string): string {
  return /^(--[\w-]+|[-+][A-Za-z]{1,8})/.exec(option)?.[0] ?? option
}
