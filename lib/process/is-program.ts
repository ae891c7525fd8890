import { accessSync, constants, statSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'

/** Whether it is a file that this user may run. */
export function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** The program of a definition that becomes another user, by its set-uid or set-gid bit; null when it does not. */
export function setUidProgram({ run }: Definition): string | null {
  const [name = ''] = run.command
  const places = name.includes('/') ? [name] : (process.env.PATH ?? '').split(':').map(folder => `${folder}/${name}`)
  const file = places.find(isProgram)
  return file !== undefined && (statSync(file).mode & 0o6000) !== 0 ? file : null
}
