/** What the hooks of a test were told. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Told {
  readonly Event: string
  readonly EventID: string
  readonly Partition: string | null
  readonly Instance: string
  readonly Status?: string
  readonly PreviousStatus?: string
  readonly [field: string]: unknown
}

/** A hook that writes what it was given as a line of `file`. */
export function hookTo(file: string): string[] {
  return ['/bin/sh', join(import.meta.dirname, 'hook.sh'), file]
}

export function toldIn(file: string): Told[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as Told)
}
