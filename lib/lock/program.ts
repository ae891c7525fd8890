/** The command's program: whether it is there, and how it is started so that it dies with us. */
import { readFileSync } from 'node:fs'
import { Permanent } from '../base/errors.ts'
import { isProgram } from '../machine/is-program.ts'
import type { Mark } from './mark.ts'

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

const setMark = {
  both: '{ ulimit -w "$0" || ulimit -x "$0"; } 2>/dev/null; exec "$@"',
  soft: '{ ulimit -S -w "$0" || ulimit -S -x "$0"; } 2>/dev/null; exec "$@"',
}

/**
 * The arguments that become the command, under the limit that is its mark: dash sets it by -w, bash by -x. Where setpriv can see to that, the kernel kills it when `lock` dies, however
 * that happens; otherwise its shepherd does. (busybox has a setpriv that cannot; to try it would cost a start.)
 */
export function becoming(command: readonly string[], { number, limit }: Mark): readonly string[] {
  const own = dyingWithUs(command)
  return limit === null ? own : ['/bin/sh', '-c', setMark[limit], number, ...own]
}

function dyingWithUs(command: readonly string[]): readonly string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(isProgram)
  const able = setpriv !== undefined && readFileSync(setpriv).includes('--pdeathsig')
  return able ? [setpriv, '--pdeathsig', 'KILL', '--', ...command] : command
}
