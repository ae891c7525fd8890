/** Checks a definition's commands before any of them runs: misspelt placeholders, missing programs. */
import { resolve } from 'node:path'
import { mistakes } from '../../base/near.ts'
import { commandsIn } from '../../definition/commands.ts'
import type { Definition } from '../../definition/definition.ts'
import { placeholders } from '../../definition/expand.ts'
import { isProgram } from '../../machine/is-program.ts'
import { whyNotRun } from '../../machine/may-run.ts'
import type { Account } from '../../machine/users.ts'

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
  return mistakes(word, meant) <= (meant.length > 5 ? 2 : 1)
}

export interface MissingProgram {
  readonly field: string
  readonly program: string
}

/** The programs of a definition that this machine lacks. @param path where to look for names without a slash */
export function missingPrograms(definition: Definition, path = process.env.PATH ?? ''): MissingProgram[] {
  return namedPrograms(definition, path).flatMap(({ field, program, places }) =>
    places.some(isProgram) ? [] : [{ field, program }],
  )
}

export interface Unrunnable extends MissingProgram {
  readonly why: string
}

/** The programs that are there, and that this user may not run. */
export function unrunnable(definition: Definition, user: Account, path = process.env.PATH ?? ''): Unrunnable[] {
  return namedPrograms(definition, path).flatMap(({ field, places }) => {
    const program = places.find(isProgram)
    const why = program === undefined ? null : whyNotRun(program, user)
    return program === undefined || why === null ? [] : [{ field, program, why }]
  })
}

/** Without those that are known only once they run. */
function namedPrograms(definition: Definition, path: string) {
  return commandsIn(definition).flatMap(({ field, command: [name = ''] }) => {
    if (/\{\w+\}/.test(name)) return []
    if (!name.includes('/'))
      return [{ field, program: name, places: path.split(':').map(folder => `${folder}/${name}`) }]
    const program = resolve(definition.run.cwd ?? '/', name)
    return [{ field, program, places: [program] }]
  })
}
