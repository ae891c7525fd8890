/** Arguments as people write them, and wrong ones. Loaded late: see plain-arguments.ts. */
import { stripVTControlCharacters } from 'node:util'
import type { ArgsDef, ParsedArgs } from 'citty'
import { parseArgs } from 'citty'
import { Permanent, reason } from '../base/errors.ts'
import { didYouMean } from '../base/near.ts'

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
  if (unknown !== undefined) throw usageError(noSuchOption(unknown, argv, names))
  const positionals = Object.values(known).filter(({ type }) => type === 'positional').length
  const spare = args._[positionals]
  if (spare !== undefined && !('rest' in known)) throw usageError(`"${spare}" is one argument too many`)
  for (const [name, { type }] of Object.entries(known)) {
    if (type === 'string' && args[name] === '') throw usageError(`--${name} needs a value`)
  }
  return args
}

/** A partition may be called -7. */
function noSuchOption(name: string, argv: readonly string[], names: ReadonlySet<string>): string {
  const isLong = argv.some(word => word.startsWith(`--${name}`))
  const asName = argv.find(word => word.startsWith('-') && !word.startsWith('--') && word.includes(name))
  if (isLong || asName === undefined) return `there is no option --${name}${didYouMean(name, longNames(names), '--')}`
  return `there is no option ${asName}; names that begin with a dash go behind --`
}

function longNames(names: ReadonlySet<string>): string[] {
  return [...names].filter(name => name.length > 1)
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

function usageError(message: string): Permanent {
  return new Permanent(`cannot read the arguments: ${message}; see --help`)
}
