/**
 * Work outside our processes (docker, podman, systemd-run) is gone when the definition's command `stop.gone` exits 0.
 * Any other exit status, or no exit in time, does not prove absence.
 */
import { spawn } from 'node:child_process'
import { confined } from '../../definition/confine.ts'
import type { Definition } from '../../definition/definition.ts'
import { inheritedEnvironment } from '../../definition/environment.ts'
import { expand, expandEnv } from '../../definition/expand.ts'
import { refusal } from '../../state/bounded.ts'
import { versionOf } from '../../state/partition-paths.ts'
import type { Run } from '../../state/self.ts'

export interface Probe {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly cwd: string
  /** Whether the limits of this machine allow the command; left out where that is known. */
  readonly isAllowed?: () => Promise<boolean>
}

/** The time limit of one run of the command, ms. */
const limit = 5000

/** Null when the definition has no such command: then the processes alone decide. */
export function probeOf(
  { instance, node, files }: Pick<Run, 'instance' | 'node' | 'files'>,
  definition: Definition,
  partition: string,
): Probe | null {
  const { name, run, stop } = definition
  if (!stop.gone) return null
  const version = versionOf(definition, files.partition(partition))
  const values = { partition, instance, node, service: name, token: '', version }
  const environment = { ...inheritedEnvironment(run), ...expandEnv(run.env, values), WATCHBILL_PARTITION: partition }
  return {
    command: confined(run, expand(stop.gone, values)),
    environment,
    cwd: run.cwd ?? '/',
    isAllowed: async () => (await refusal(files.directory, definition)) === null,
  }
}

/** @throws never: a command that cannot be run has not confirmed anything */
export async function saysGone({ command, environment, cwd, isAllowed }: Probe): Promise<boolean> {
  if (isAllowed && !(await isAllowed().catch(() => false))) return false
  const [file = '', ...args] = command
  return new Promise(resolve => {
    try {
      const child = spawn(file, args, { cwd, env: environment, stdio: 'ignore', timeout: limit, killSignal: 'SIGKILL' })
      child.on('error', () => resolve(false)).on('exit', code => resolve(code === 0))
    } catch {
      resolve(false) // for example, the arguments are too long
    }
  })
}
