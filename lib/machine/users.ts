/** The users of this machine, as far as its own files name them. */
import { existsSync, readFileSync } from 'node:fs'

const file = '/etc/passwd'

/** Null when there is no such user. */
export function uidOf(user: string): number | null {
  if (!existsSync(file)) return null
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find(one => one.startsWith(`${user}:`))
  return line === undefined ? null : Number(line.split(':')[2])
}
