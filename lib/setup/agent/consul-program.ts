/** Finds the Consul program to run, and its version. */
import { execFileSync } from 'node:child_process'
import { delimiter, join, resolve } from 'node:path'
import { Permanent } from '../../base/errors.ts'
import { isProgram } from '../../machine/is-program.ts'

/** @param given `--consul` @throws Permanent when it is not a program, or none is found */
export function consulProgram(given: string | undefined, env: NodeJS.ProcessEnv): string {
  if (given !== undefined && !isProgram(given))
    throw new Permanent(`cannot use --consul ${given}: it is not a program; give Consul's path`)
  const found = given === undefined ? (named(env) ?? onPath(env)) : resolve(given)
  if (found !== null) return found
  throw new Permanent('cannot find consul: it is not on PATH; install it, or say --consul or CONSUL_BIN')
}

export type Version = readonly [major: number, minor: number]

/** The version that `consul version` prints. @throws Permanent when it is not Consul, or older than 1.7 */
export function versionOf(consul: string): Version {
  const [, major, minor] = /^Consul v(\d+)\.(\d+)\./m.exec(saidBy(consul)) ?? []
  const version: Version = [Number(major), Number(minor)]
  if (major !== undefined && isAtLeast(version, [1, 7])) return version
  throw new Permanent(
    `cannot use ${consul}: it is no Consul of 1.7 or later; install one, or say --consul or CONSUL_BIN`,
  )
}

export function isAtLeast([major, minor]: Version, [least, leastMinor]: Version): boolean {
  return major > least || (major === least && minor >= leastMinor)
}

function saidBy(consul: string): string {
  try {
    return execFileSync(consul, ['version'], { encoding: 'utf8', timeout: 20_000, stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return '' // the machine cannot run it, or it is not Consul
  }
}

/** The program in CONSUL_BIN. A wrong one is refused, not ignored: otherwise another Consul than the named one would run. */
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
