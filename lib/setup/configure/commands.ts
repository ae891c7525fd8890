/** Checks a definition's commands before any of them runs: misspelt placeholders, missing programs. */
import { resolve } from 'node:path'
import { commandsIn } from '../../definition/commands.ts'
import type { Definition } from '../../definition/definition.ts'
import { placeholders } from '../../definition/expand.ts'
import { isProgram } from '../../machine/is-program.ts'

/**
 * A word in braces that is almost a placeholder, as `<field>: <what>; <what to do>`; null when there is none. Other words in
 * braces belong to the command.
 */
export function misspelt(definition: Definition): string | null {
  const texts = [
    ...commandsIn(definition).flatMap(({ field, command }) =>
      command.map((text, index) => [`${field}[${index}]`, text] as const),
    ),
    ...Object.entries(definition.run.env).map(([name, text]) => [`run.env.${name}`, text] as const),
  ]
  for (const [field, text] of texts) {
    for (const [, word = ''] of text.matchAll(/\{(\w+)\}/g)) {
      const meant = placeholders.find(one => one !== word && isClose(word.toLowerCase(), one))
      if (meant && !placeholders.some(one => one === word))
        return `${field}: holds {${word}}, which is no placeholder; write {${meant}}`
    }
  }
  return null
}

/** Allows one typing mistake, two in a longer word: an extra, missing or wrong letter, or two letters swapped. */
function isClose(word: string, meant: string): boolean {
  return slips(word, meant) <= (meant.length > 5 ? 2 : 1)
}

/** Optimal string alignment distance. */
function slips(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0
  rows[0] = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const other = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const ways = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + other]
      const row = rows[i] as number[]
      row[j] = Math.min(...ways, ...(swapped ? [at(i - 2, j - 2) + 1] : []))
    }
  }
  return at(a.length, b.length)
}

export interface MissingProgram {
  readonly field: string
  readonly program: string
}

/** The programs of a definition that this machine lacks. @param path where to look for names without a slash */
export function missingPrograms(definition: Definition, path = process.env.PATH ?? ''): MissingProgram[] {
  return commandsIn(definition).flatMap(({ field, command: [name = ''] }) => {
    if (/\{\w+\}/.test(name)) return [] // known only once it runs
    const places = name.includes('/')
      ? [resolve(definition.run.cwd ?? '/', name)]
      : path.split(':').map(folder => `${folder}/${name}`)
    const program = name.includes('/') ? (places[0] as string) : name
    return places.some(isProgram) ? [] : [{ field, program }]
  })
}
