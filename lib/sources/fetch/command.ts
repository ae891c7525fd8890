/** Fetches a set that a program prints or a module returns. Both run in a process of their own, which timeout(1) ends. */
import { join } from 'node:path'
import { execa } from 'execa'
import { asCalled } from '../../machine/caller.ts'
import { type Fetch, type Fetched, type Fetching, late, mostBytes, textFrom } from './kind.ts'

const runner = join(import.meta.dirname, 'run-module.mjs')

export const fetchCommand: Fetch<'command'> = ({ command }, fetching) => outputOf(command, { descriptor: 1 }, fetching)

/**
 * The module's answer comes on descriptor 3, so that the module may print on stdout. Its configuration goes to stdin, since
 * every user can see arguments.
 */
export const fetchModule: Fetch<'module'> = ({ path, config = {} }, fetching) =>
  outputOf([process.execPath, runner, path], { descriptor: 3, input: JSON.stringify(config) }, fetching)

interface Pipes {
  /** The descriptor that the answer comes on. */
  readonly descriptor: 1 | 3
  /** Its stdin; /dev/null when left out. */
  readonly input?: string
}

async function outputOf(
  command: readonly string[],
  { descriptor, input }: Pipes,
  { cwd, environment, limit, within = all => all }: Fetching & { readonly limit: number },
): Promise<Fetched> {
  // timeout(1) lives on when this program is killed, and ends the whole process group.
  const [file, ...args] = asCalled(['timeout', '-k', '1', String(limit / 1000), ...within(command)])
  const result = await execa(file, args, {
    cwd,
    env: environment,
    extendEnv: false,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
    encoding: 'buffer',
    maxBuffer: mostBytes,
    reject: false,
  })
  if (result.isMaxBuffer) throw new Error(`it prints more than ${mostBytes} bytes`)
  if (result.exitCode !== 0) throw new Error(how(result, limit))
  return { text: textFrom(result.stdio[descriptor]), validator: null }
}

interface End {
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  readonly stderr: Uint8Array
  readonly originalMessage?: string | undefined
}

/** Why it failed. timeout(1) exits 124, or 137 when SIGTERM was not enough. */
function how({ exitCode, signal, stderr, originalMessage }: End, limit: number): string {
  if (exitCode === 124 || exitCode === 137) return late(limit)
  if (exitCode !== undefined) return `exit ${exitCode}: ${lastLine(stderr)}`
  return signal === undefined ? `it cannot be run: ${originalMessage}` : `ended by ${signal}`
}

function lastLine(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().trim().split('\n').at(-1)?.slice(0, 300) ?? ''
}
