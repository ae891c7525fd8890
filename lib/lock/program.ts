/** Checks that the command's program exists, and starts it so that it dies with `lock`. */
import { readFileSync } from 'node:fs'
import { Permanent } from '../base/errors.ts'
import { isProgram } from '../machine/is-program.ts'
import type { Mark } from './mark.ts'

/** Called before the lock is taken. @throws Permanent when the program cannot be run */
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
 * The arguments that run the command with its mark as a limit: dash sets it by -w, bash by -x. With setpriv --pdeathsig the
 * kernel kills the command when `lock` dies in any way; otherwise the shepherd does. (busybox has a setpriv without that
 * option; its file is searched for the option, because a try would cost the start of a process.)
 */
export function becoming(command: readonly string[], { number, limit }: Mark): readonly string[] {
  const own = dyingWithUs(command)
  return limit === null ? own : ['/bin/sh', '-c', setMark[limit], number, ...own]
}

function dyingWithUs(command: readonly string[]): readonly string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(isProgram)
  return setpriv !== undefined && isAble(setpriv) ? [setpriv, '--pdeathsig', 'KILL', '--', ...command] : command
}

/** When the file cannot be read, the shepherd alone kills the command. */
function isAble(setpriv: string): boolean {
  try {
    return readFileSync(setpriv).includes('--pdeathsig')
  } catch {
    return false
  }
}
