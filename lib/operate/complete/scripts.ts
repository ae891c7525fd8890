/** The completion scripts, which lie beside this file. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Permanent } from '../../base/errors.ts'

export const shells = ['bash', 'zsh', 'fish'] as const

/** @throws Permanent for a shell that there is none for */
export function scriptFor(shell: string): Buffer {
  if (!(shells as readonly string[]).includes(shell))
    throw new Permanent(`cannot complete for ${shell}: there are scripts for ${shells.join(', ')}`)
  return readFileSync(join(import.meta.dirname, `watchbill.${shell}`))
}
