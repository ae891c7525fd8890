/** Runs the checks and commands of rendered files. Each has a time limit, which timeout(1) keeps when this program is killed. */
import { execa } from 'execa'
import { confined } from '../definition/confine.ts'
import type { Definition } from '../definition/definition.ts'
import { inheritedEnvironment } from '../definition/environment.ts'
import { asCalled } from '../machine/caller.ts'
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
  const [file, ...args] = asCalled(['timeout', '-k', '1', String(limit / 1000), ...confined(definition.run, command)])
  const own = {
    WATCHBILL_SERVICE: service,
    WATCHBILL_INSTANCE: instance,
    WATCHBILL_NODE: node,
    WATCHBILL_VERSION: version,
  }
  const { exitCode, signal, all, originalMessage } = await execa(file, args, {
    cwd: '/',
    env: { ...inheritedEnvironment(definition.run), ...own },
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
  if (exitCode === 124 || exitCode === 137) return `no end within ${limit / 1000} s`
  const how =
    exitCode !== undefined
      ? `exit ${exitCode}`
      : signal !== undefined
        ? `ended by ${signal}`
        : (originalMessage ?? 'it cannot be run')
  const said = (all ?? '').trim().split('\n').slice(-2).join(' ').replace(/\s+/g, ' ').slice(-300)
  return said === '' ? how : `${how}: ${said}`
}
