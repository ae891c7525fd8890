/** What a program says of itself: --help, and the same for man pages and completions. Loaded only when somebody asks. */
import type { ArgDef, ArgsDef } from 'citty'
import { wrapped } from '../base/wrap.ts'
import { painted, terminal } from './terminal.ts'

export interface Word {
  readonly name: string
  readonly about: string
  readonly required: boolean
}

export interface Option {
  /** With their dashes, a short one first. */
  readonly names: readonly string[]
  /** What the value is called; null when it takes none. */
  readonly value: string | null
  readonly about: string
  readonly required: boolean
}

export interface Description {
  readonly name: string
  readonly about: string
  /** Without the program: `[OPTIONS] <SERVICE> [PARTITION]`. */
  readonly usage: string
  readonly words: readonly Word[]
  readonly options: readonly Option[]
  /** One text for each exit code, or for several. */
  readonly exits: readonly string[]
}

/** What a program says of itself: see program/frame.ts. */
interface Saying {
  readonly name: string
  readonly about: string
  readonly args: ArgsDef
  readonly command?: true
  readonly exits?: string
}

/** @param common the arguments of every program */
export function described({ name, about, args, command, exits }: Saying, common: ArgsDef): Description {
  const all = Object.entries({ ...args, ...common })
  const words = all.filter(([, arg]) => arg.type === 'positional').map(([word, arg]) => wordOf(word, arg))
  const options = all.filter(([, arg]) => arg.type !== 'positional').map(([option, arg]) => optionOf(option, arg))
  const needed = options.filter(({ required }) => required).map(one => spelled(one))
  const shape = ['[OPTIONS]', ...words.map(({ name, required }) => (required ? `<${name}>` : `[${name}]`)), ...needed]
  return {
    name,
    about,
    usage: [...shape, ...(command ? ['-- command [arguments]'] : [])].join(' '),
    words,
    options,
    exits: [
      ...(exits ?? '0 done, or nothing to do').split('; '),
      '100 permanent (usage, definition)',
      '111 temporary (Consul away, timed out)',
    ],
  }
}

function wordOf(name: string, arg: ArgDef): Word {
  const required = arg.required !== false && arg.default === undefined
  return { name: name.toUpperCase(), about: aboutOf(arg), required }
}

function optionOf(name: string, arg: ArgDef): Option {
  const aliases = 'alias' in arg ? [arg.alias ?? []].flat() : []
  return {
    names: [...aliases.map(alias => (alias.length === 1 ? `-${alias}` : `--${alias}`)), `--${name}`],
    value: arg.type === 'boolean' ? null : name.replaceAll('-', '_'),
    about: aboutOf(arg),
    required: arg.required === true && arg.default === undefined,
  }
}

function aboutOf({ description = '', default: given }: ArgDef): string {
  return given === undefined || typeof given === 'boolean' ? description : `${description} (default ${given})`
}

/** `-n, --lines=<lines>` */
function spelled({ names, value }: Option): string {
  return names.join(', ') + (value === null ? '' : `=<${value}>`)
}

/** As wide as the terminal, and with colours where it takes them. */
export function help(one: Description): string {
  const size = terminal()
  return helpText(one, size?.columns ?? Number.POSITIVE_INFINITY, size?.colours ?? false)
}

export function helpText({ name, about, usage, words, options, exits }: Description, width: number, colours: boolean) {
  const title = (text: string) => (colours ? painted(text, 'bold') : text)
  const rows = (all: readonly (readonly [string, string])[], head: string) =>
    all.length === 0 ? [] : ['', title(head), '', ...listing(all, width)]
  return [
    ...wrapped(about, width),
    '',
    `${title('USAGE')} watchbill ${name} ${usage}`,
    ...rows(
      words.map(word => [word.name, withNeed(word)]),
      'ARGUMENTS',
    ),
    ...rows(
      options.map(option => [spelled(option), withNeed(option)]),
      'OPTIONS',
    ),
    '',
    ...wrapped(`Exits: ${exits.join('; ')}`, width),
    '',
  ].join('\n')
}

function withNeed({ about, required }: Word | Option): string {
  return required ? `${about} (required)` : about
}

/** The widest name for which the texts stand in a column of their own. */
const widestName = 34

/** Names with what they are, in two columns; a text goes on below itself. */
export function listing(rows: readonly (readonly [name: string, text: string])[], width: number): string[] {
  const column = Math.min(widestName, Math.max(...rows.map(([name]) => name.length)))
  const room = Math.max(20, width - column - 4)
  return rows.flatMap(([name, text]) => {
    const [first = '', ...more] = wrapped(text, room)
    const below = more.map(line => ' '.repeat(column + 4) + line)
    const line =
      name.length > column ? [`  ${name}`, ' '.repeat(column + 4) + first] : [`  ${name.padEnd(column)}  ${first}`]
    return [...line, ...below].map(one => one.trimEnd())
  })
}
