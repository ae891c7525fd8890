/** Runs a command of power-off.json. timeout(1) ends it in time even when this program is killed. */
import { execa } from 'execa'
import { inheritedEnvironment } from '../definition/environment.ts'
import { expand } from '../definition/expand.ts'
import { asCalled } from '../machine/caller.ts'

/** @param limit ms @returns null when it exits 0; otherwise why not, in one line */
export async function runCommand(command: readonly string[], node: string, limit: number): Promise<string | null> {
  const [file, ...args] = asCalled(['timeout', '-k', '1', String(limit / 1000), ...expand(command, { node })])
  const { exitCode, signal, all, originalMessage, durationMs } = await execa(file, args, {
    cwd: '/',
    env: { ...inheritedEnvironment(), WATCHBILL_NODE: node },
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    all: true,
    buffer: { all: true },
    maxBuffer: 1024 * 1024,
    reject: false,
  })
  if (exitCode === 0) return null
  const said = (all ?? '').trim().split('\n').slice(-2).join(' ').replace(/\s+/g, ' ').slice(-200)
  const how =
    durationMs >= limit
      ? `did not end within ${limit / 1000} s`
      : exitCode !== undefined
        ? `exit ${exitCode}`
        : signal !== undefined
          ? `ended by ${signal}`
          : (originalMessage ?? 'it cannot be run')
  return `${command[0]}: ${how}${said === '' ? '' : `: ${said}`}`
}
