/** Runs the checks and commands of rendered files. Each has a time limit, which timeout(1) keeps when this program is killed. */
import { spawn } from 'node:child_process'
import { reason } from '../base/errors.ts'
import { confined } from '../definition/confine.ts'
import type { Definition } from '../definition/definition.ts'
import { inheritedEnvironment } from '../definition/environment.ts'
import { asCalled } from '../machine/caller.ts'
import { refusal } from '../state/bounded.ts'
import type { Self } from '../state/self.ts'

/** ms */
export const checkLimit = 10_000
export const commandLimit = 60_000
/** How long the rest of its output may take once it has ended, ms: a child that it left behind may hold the pipe for ever. */
const restLimit = 200
/** So much of the end of what it says is kept, bytes. */
const kept = 4096

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
  const args = asCalled(['timeout', '-k', '1', String(limit / 1000), ...confined(definition.run, command)])
  const own = {
    ...{ WATCHBILL_SERVICE: service, WATCHBILL_INSTANCE: instance, WATCHBILL_NODE: node },
    WATCHBILL_VERSION: version,
  }
  const { exitCode, signal, problem, said } = await endOf(args, { ...inheritedEnvironment(definition.run), ...own })
  if (exitCode === 0) return null
  if (exitCode === 124 || exitCode === 137) return `no end within ${limit / 1000} s`
  const how = problem ?? (signal == null ? `exit ${exitCode}` : `ended by ${signal}`)
  const last = said.trim().split('\n').slice(-2).join(' ').replace(/\s+/g, ' ').slice(-300)
  return last === '' ? how : `${how}: ${last}`
}

/** Waits for the end of the command itself: not for what it starts, and with no limit on how much it says. */
function endOf([file = '', ...args]: readonly string[], env: Record<string, string>): Promise<End> {
  return new Promise(resolve => {
    const child = spawn(file, args, { cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const hear = (some: Buffer) => {
      said = (said + some.toString('latin1')).slice(-kept)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    const over = (end: Omit<End, 'said'>) => resolve({ ...end, said: Buffer.from(said, 'latin1').toString() })
    child.once('error', error => over({ problem: reason(error) }))
    child.once('close', (exitCode, signal) => over({ exitCode, signal }))
    child.once('exit', () => {
      const close = () => [child.stdout, child.stderr].forEach(stream => void stream.destroy())
      setTimeout(close, restLimit).unref()
    })
  })
}

interface End {
  readonly exitCode?: number | null
  readonly signal?: string | null
  /** Why it could not be started. */
  readonly problem?: string
  readonly said: string
}
