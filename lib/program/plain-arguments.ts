/**
 * Reads arguments that are written plainly: each option by its full name, and its value as a word of its own. Consul's agent
 * writes them so, at every event and every tick, and to load a package for them would take a tenth of the time that Node
 * takes to start. The result is what citty makes of the same words; all other words, right or wrong, are left to citty.
 */
import type { ArgsDef } from 'citty'

export type Plain = Record<string, unknown> & { _: string[] }

/** @returns null when citty has to read them */
export function plainArguments(words: readonly string[], known: ArgsDef): Plain | null {
  const found = split(words, known)
  if (found === null) return null
  const { given, positionals } = found
  const args: Plain = { _: positionals }
  let place = 0
  for (const [name, definition] of Object.entries(known)) {
    const { type, default: usual } = definition
    if (type === 'positional') {
      args[name] = positionals[place++] ?? usual
      if (args[name] === undefined && definition.required !== false) return null
      continue
    }
    if (type !== 'string' && type !== 'boolean') return null
    const value = given.get(name) ?? usual
    if (value === undefined && definition.required) return null
    if (value !== undefined)
      for (const alias of [name, camel(name), ...[definition.alias ?? []].flat()]) args[alias] = value
  }
  return place < positionals.length ? null : args
}

function split(words: readonly string[], known: ArgsDef) {
  const given = new Map<string, string | true>()
  const positionals: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (isValue(word)) {
      positionals.push(word)
      continue
    }
    const name = word.slice(2)
    const type = Object.hasOwn(known, name) ? known[name]?.type : undefined
    // `--no-x` may deny x.
    if (!word.startsWith('--') || name.startsWith('no-') || given.has(name)) return null
    if (type === 'boolean') given.set(name, true)
    else if (type !== 'string' || !isValue(words[++at])) return null
    else given.set(name, words[at] as string)
  }
  return { given, positionals }
}

/** A word that can be nothing but a value. */
function isValue(word: string | undefined): boolean {
  return word !== undefined && word !== '' && !word.startsWith('-')
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
