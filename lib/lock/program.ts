/** The command's program: whether it is there, and how it is started so that it dies with us. */
import { readFileSync } from 'node:fs'
import { Permanent } from '../errors.ts'
import { isProgram } from '../process/is-program.ts'

/** @throws Permanent when it cannot be run: better before the lock is taken than after */
export function mustBeProgram(file: string): void {
  const places = file.includes('/') ? [file] : path().map(folder => `${folder || '.'}/${file}`)
  if (places.some(isProgram)) return
  const where = file.includes('/') ? 'it is not a program' : 'there is no such program on PATH'
  throw new Permanent(`cannot run ${JSON.stringify(file)}: ${where}; name one that is there`)
}

function path(): string[] {
  return (process.env.PATH ?? '/usr/bin:/bin').split(':')
}

/**
 * The arguments that become the command. Where setpriv can see to that, the kernel kills it when `lock` dies, however
 * that happens; otherwise its shepherd does. (busybox has a setpriv that cannot; to try it would cost a start.)
 */
export function becoming(command: readonly string[]): readonly string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(isProgram)
  const able = setpriv !== undefined && readFileSync(setpriv).includes('--pdeathsig')
  return able ? [setpriv, '--pdeathsig', 'KILL', '--', ...command] : command
}
