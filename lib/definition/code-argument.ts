/**
 * Commands whose arguments a program reads as code: `sh -c`, `env -S`, `python3 -c`. Everyone who may write partitions
 * chooses their ids; a placeholder inside code would let an id decide what is executed.
 */
import { basename } from 'node:path'
import { type Placeholder, placeholders } from './expand.ts'

interface Reader {
  readonly program: RegExp
  /** The option that code follows, in the same or in the next argument. */
  readonly code: RegExp
  /** Options whose value is the next argument. */
  readonly valued: RegExp
  /** How many arguments that are not options may come before it; 0 when left out. */
  readonly before?: number
}

const shells = '(r?ba|da|a|[lmpd]*k|z|c|tc|fi|ya|o)?sh[0-9]*|pdksh|ksh93'
// Short options may be combined, as in `bash -euc`.
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
  readonly index: number
  readonly placeholder: Placeholder
  /** The program and option that read it as code: `sh -c`. */
  readonly by: string
}

/**
 * The first placeholder inside code; null when there is none. Arguments after the code are its parameters, and
 * allowed.
 */
export function placeholderInCode(args: readonly string[]): InCode | null {
  for (const [at, argument] of args.entries()) {
    // The program may be any argument, for example after env, timeout, nice, sudo or busybox.
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

/**
 * The index of the option; null when a script's name or nothing comes first: all later arguments belong to that
 * script.
 */
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

/** Skips options between -c and its code: `sh -c -e script`, `bash -c -o pipefail script`. */
function afterOptions({ valued }: Reader, args: readonly string[], option: number): number {
  let index = option + 1
  while (/^[-+]/.test(args[index] ?? '')) index += valued.test(args[index] as string) ? 2 : 1
  return index
}

/** The option alone, without code attached to it: `-S` of `-Ssh -c …`. */
function short(option: string): string {
  return /^(--[\w-]+|[-+][A-Za-z]{1,8})/.exec(option)?.[0] ?? option
}
