/** Which Consul the lab runs: CONSUL_BIN, else `consul` on PATH, else Debian's, fetched once into the project's cache. */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { Permanent } from '../../lib/errors.ts'
import { fetchConsul, pin } from './fetch.ts'

const cache = resolve(import.meta.dirname, '../../.cache/consul')

/**
 * The path of a Consul program.
 * @param say is told, in a line, when something is fetched
 * @throws Permanent or Temporary, whose one line says what to do
 */
export async function consulBinary(say: (line: string) => void = () => {}): Promise<string> {
  return named(process.env) ?? onPath(process.env) ?? fetchConsul({ cache, pin, etc: '/etc/apt', say })
}

/** CONSUL_BIN: a wrong one is refused, not passed over, or tests would run against another Consul than was asked for. */
export function named({ CONSUL_BIN }: NodeJS.ProcessEnv): string | null {
  if (!CONSUL_BIN) return null
  if (isProgram(CONSUL_BIN)) return resolve(CONSUL_BIN)
  throw new Permanent(`cannot use CONSUL_BIN=${CONSUL_BIN}: it is not a program; set it to Consul's path, or unset it`)
}

/** `consul` on PATH. */
export function onPath({ PATH = '' }: NodeJS.ProcessEnv): string | null {
  const folders = PATH.split(delimiter).filter(Boolean)
  return folders.map(folder => resolve(join(folder, 'consul'))).find(isProgram) ?? null
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
