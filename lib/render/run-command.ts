/** Runs the checks and commands of rendered files. Each has a time limit, which timeout(1) keeps when this program is killed. */
import { confined } from '../definition/confine.ts'
import type { Definition } from '../definition/definition.ts'
import { inheritedEnvironment } from '../definition/environment.ts'
import { runToEnd } from '../machine/run-to-end.ts'
import { refusal } from '../state/bounded.ts'
import type { Self } from '../state/self.ts'

/** ms */
export const checkLimit = 10_000
export const commandLimit = 60_000

/** @returns null when it exits 0; otherwise why not */
export async function runCommand(
  command: readonly string[],
  limit: number,
  here: Pick<Self, 'files' | 'service' | 'instance' | 'node'> & { readonly definition: Definition },
  version: string,
): Promise<string | null> {
  const { files, service, instance, node, definition } = here
  const why = await refusal(files.directory, definition)
  if (why !== null) return why
  const env = {
    ...{ ...inheritedEnvironment(definition.run), WATCHBILL_SERVICE: service, WATCHBILL_INSTANCE: instance },
    ...{ WATCHBILL_NODE: node, WATCHBILL_VERSION: version },
  }
  const { exitCode, signal, problem, late, said } = await runToEnd(confined(definition.run, command), limit, env)
  if (exitCode === 0) return null
  if (late) return `no end within ${limit / 1000} s`
  const how = problem ?? (signal === null ? `exit ${exitCode}` : `ended by ${signal}`)
  const last = said.trim().split('\n').slice(-2).join(' ').replace(/\s+/g, ' ').slice(-300)
  return last === '' ? how : `${how}: ${last}`
}
