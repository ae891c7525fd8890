/** Finds commands that become another user, for configure and doctor. */
import { statSync } from 'node:fs'
import { commandsOf, type Definition } from '../definition/definition.ts'
import { isProgram } from '../machine/is-program.ts'

/** The program of a definition that becomes another user, by its set-uid or set-gid bit; null when it does not. */
export function setUidProgram({ run }: Definition): string | null {
  const files = commandsOf(run).flatMap(([name = '']) => {
    const places = name.includes('/') ? [name] : (process.env.PATH ?? '').split(':').map(folder => `${folder}/${name}`)
    return places.find(isProgram) ?? []
  })
  return files.find(file => (statSync(file).mode & 0o6000) !== 0) ?? null
}
