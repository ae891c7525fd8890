/** Runs a command of power-off.json. timeout(1) ends it in time even when this program is killed. */
import { inheritedEnvironment } from '../definition/environment.ts'
import { expand } from '../definition/expand.ts'
import { runToEnd } from '../machine/run-to-end.ts'

/** @param limit ms @returns null when it exits 0; otherwise why not, in one line */
export async function runCommand(command: readonly string[], node: string, limit: number): Promise<string | null> {
  const env = { ...inheritedEnvironment(), WATCHBILL_NODE: node }
  const { exitCode, signal, problem, late, said: all } = await runToEnd(expand(command, { node }), limit, env)
  if (exitCode === 0) return null
  const said = all.trim().split('\n').slice(-2).join(' ').replace(/\s+/g, ' ').slice(-200)
  const how = late
    ? `did not end within ${limit / 1000} s`
    : (problem ?? (signal === null ? `exit ${exitCode}` : `ended by ${signal}`))
  return `${command[0]}: ${how}${said === '' ? '' : `: ${said}`}`
}
