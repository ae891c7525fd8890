/** Arguments as people write them, and what --help prints. Loaded late: see plain-arguments.ts. */
import { stripVTControlCharacters } from 'node:util'
import type { ArgsDef, ParsedArgs } from 'citty'
import { parseArgs, renderUsage } from 'citty'
import { Permanent, reason } from '../base/errors.ts'

/**
 * citty accepts unknown flags and extra words: refuse them, so that a typing mistake cannot run something else.
 * @throws Permanent for words that are no arguments of the program
 */
export function readArguments(argv: string[], known: ArgsDef): ParsedArgs {
  let args: ParsedArgs
  try {
    args = parseArgs(argv, known)
  } catch (error) {
    throw usageError(stripVTControlCharacters(reason(error)))
  }
  const names = new Set(
    Object.entries(known).flatMap(([name, arg]) => [name, ...('alias' in arg ? [arg.alias ?? []].flat() : [])]),
  )
  const unknown = Object.keys(args).find(name => name !== '_' && !names.has(name) && !names.has(kebab(name)))
  if (unknown !== undefined) throw usageError(`there is no option --${unknown}`)
  const positionals = Object.values(known).filter(({ type }) => type === 'positional').length
  const spare = args._[positionals]
  if (spare !== undefined && !('rest' in known)) throw usageError(`"${spare}" is one argument too many`)
  for (const [name, { type }] of Object.entries(known)) {
    if (type === 'string' && args[name] === '') throw usageError(`--${name} needs a value`)
  }
  return args
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

function usageError(message: string): Permanent {
  return new Permanent(`cannot read the arguments: ${message}; see --help`)
}

interface Shown {
  readonly name: string
  readonly about: string
  readonly args: ArgsDef
  readonly command?: true
  readonly exits?: string
}

/** What --help prints. @param shown as `Program` of frame.ts has it */
export async function usage({ name, about, args, command, exits }: Shown): Promise<string> {
  const rendered = await renderUsage({ meta: { name: `watchbill ${name}`, description: about }, args })
  const text = command ? rendered.replace(/USAGE.*/, line => `${line} -- command [arguments]`) : rendered
  const codes = `Exits: ${exits ?? '0 done, or nothing to do'}; 100 permanent (usage, definition); 111 temporary (Consul away, timed out)`
  return `${process.stdout.isTTY ? text : stripVTControlCharacters(text)}\n${codes}\n`
}
