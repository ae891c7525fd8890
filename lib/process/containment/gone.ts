/**
 * Work that lives outside of any process of ours (docker, podman, systemd-run) is gone when the definition's own command,
 * `stop.gone`, says so by exit 0. Any other exit, and no exit in time, is no proof of absence.
 */
import { spawn } from 'node:child_process'
import type { Definition } from '../../definition/definition.ts'
import { inheritedEnvironment } from '../../definition/environment.ts'
import { expand, expandEnv } from '../../definition/expand.ts'
import type { Run } from '../../state/self.ts'

export interface Probe {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly cwd: string
}

/** How long one answer may take, ms. */
const limit = 5000

/** null where the definition has no such command: then the processes alone tell. */
export function probeOf(
  { instance, node }: Pick<Run, 'instance' | 'node'>,
  { name, run, stop }: Definition,
  partition: string,
): Probe | null {
  if (!stop.gone) return null
  const values = { partition, instance, node, service: name, token: '', version: '' }
  const environment = { ...inheritedEnvironment(), ...expandEnv(run.env, values), WATCHBILL_PARTITION: partition }
  return { command: expand(stop.gone, values), environment, cwd: run.cwd ?? '/' }
}

/** @throws never: one that cannot be run has not said so */
export function saysGone({ command, environment, cwd }: Probe): Promise<boolean> {
  const [file = '', ...args] = command
  return new Promise(resolve => {
    try {
      const child = spawn(file, args, { cwd, env: environment, stdio: 'ignore', timeout: limit, killSignal: 'SIGKILL' })
      child.on('error', () => resolve(false)).on('exit', code => resolve(code === 0))
    } catch {
      resolve(false) // such as arguments that are too long
    }
  })
}
