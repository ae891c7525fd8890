/** What may stand where the cursor is, for the shells' completions. Pure, but for what it asks. */
import type { Description, Option } from '../../program/help.ts'
import { states } from '../status/partitions.ts'

/** What a candidate is, and what it means. */
export type Candidate = readonly [value: string, about: string]

/** What is asked only when it is needed; each may be slow, and may fail. */
export interface Knows {
  readonly programs: () => ReadonlyMap<string, string>
  readonly describe: (program: string) => Promise<Description | null>
  readonly services: () => Promise<readonly string[]>
  readonly instances: (service: string) => Promise<readonly string[]>
  readonly partitions: (service: string) => Promise<readonly string[]>
}

/** @param words those behind `watchbill`, up to the cursor; the last may be empty */
export async function candidates(words: readonly string[], knows: Knows): Promise<Candidate[]> {
  const [program = '', ...rest] = words
  const current = words.at(-1) ?? ''
  const found = rest.length === 0 ? [...knows.programs()] : await ofProgram(program, rest, knows)
  return found.filter(([value]) => value.startsWith(current))
}

async function ofProgram(program: string, rest: readonly string[], knows: Knows): Promise<Candidate[]> {
  const [current = '', before] = [rest.at(-1), rest.at(-2)]
  const given = rest.slice(0, -1)
  if (given.includes('--')) return []
  if (program === 'help' && given.length === 0 && !current.startsWith('-')) return [...knows.programs()]
  const description = await knows.describe(program)
  if (description === null) return []
  const { options, words } = description
  if (current.startsWith('-')) return optionsLeft(options, given)
  const option = options.find(({ names }) => names.includes(before ?? ''))
  const positionals = withoutOptions(given, options)
  const service = positionals[0] ?? ''
  if (option !== undefined && option.value !== null) return valuesOf(option, service, knows)
  const word = words[Math.min(positionals.length, words.length - 1)]
  if (word === undefined) return []
  const all = words.map(({ name }) => name)
  // A name that begins with a dash would be an option there: `hold svc --all` must not come of a partition with that name.
  return (await valuesOfWord(word.name, all, service, knows)).filter(([value]) => !value.startsWith('-'))
}

function optionsLeft(options: readonly Option[], given: readonly string[]): Candidate[] {
  const used = new Set(given.map(word => word.split('=', 1)[0]))
  return options
    .filter(({ names }) => !names.some(name => used.has(name)))
    .map(({ names, about }) => [names.at(-1) as string, about])
}

function withoutOptions(given: readonly string[], options: readonly Option[]): string[] {
  const positionals: string[] = []
  for (let at = 0; at < given.length; at++) {
    const word = given[at] as string
    if (!word.startsWith('-')) positionals.push(word)
    else if (!word.includes('=') && options.some(({ names, value }) => value !== null && names.includes(word))) at++
  }
  return positionals
}

/** None for files: there the shell knows better. */
async function valuesOf({ names }: Option, service: string, knows: Knows): Promise<Candidate[]> {
  const name = names.at(-1)
  if (name === '--instance') return named(await knows.instances(service), 'instance')
  if (name === '--partition') return named(await knows.partitions(service), 'partition')
  if (name === '--service') return named(await knows.services(), 'service')
  // In `status`; everywhere else it is a directory.
  return name === '--state' ? states.map(state => [state, 'state'] as const) : []
}

async function valuesOfWord(word: string, all: readonly string[], service: string, knows: Knows): Promise<Candidate[]> {
  if (word === 'SERVICE') return named(await knows.services(), 'service')
  if (word === 'INSTANCE') return named(await knows.instances(service), 'instance')
  if (word === 'PARTITION') return named(await knows.partitions(service), 'partition')
  if (word === 'REST' && all.includes('PARTITION')) return named(await knows.partitions(service), 'partition')
  if (word === 'SWITCH') return named(['on', 'off'], 'switch')
  return []
}

function named(values: readonly string[], about: string): Candidate[] {
  return values.map(value => [value, about])
}
