/** A set that a program prints, or a module returns. Either runs in a process of its own, which timeout(1) ends. */
import { join } from 'node:path'
import { execa } from 'execa'
import { asCalled } from '../../machine/caller.ts'
import { type Fetch, type Fetched, type Fetching, late, mostBytes, textFrom } from './kind.ts'

const runner = join(import.meta.dirname, 'run-module.mjs')

export const fetchCommand: Fetch<'command'> = ({ command }, fetching) => outputOf(command, { descriptor: 1 }, fetching)

/**
 * What the module prints is not what it answers with: that comes on a descriptor of its own. Its configuration comes on
 * stdin, since arguments are for all to see.
 */
export const fetchModule: Fetch<'module'> = ({ path, config = {} }, fetching) =>
  outputOf([process.execPath, runner, path], { descriptor: 3, input: JSON.stringify(config) }, fetching)

interface Pipes {
  /** Where the answer comes. */
  readonly descriptor: 1 | 3
  /** What it finds on stdin; nothing when it is left out. */
  readonly input?: string
}

async function outputOf(
  command: readonly string[],
  { descriptor, input }: Pipes,
  { cwd, environment, limit }: Fetching & { readonly limit: number },
): Promise<Fetched> {
  // timeout(1) stays when this program is killed, and ends the whole process group.
  const [file, ...args] = asCalled(['timeout', '-k', '1', String(limit / 1000), ...command])
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

/** 124 is timeout(1)'s own; 137 when SIGTERM was not enough. */
function how({ exitCode, signal, stderr, originalMessage }: End, limit: number): string {
  if (exitCode === 124 || exitCode === 137) return late(limit)
  if (exitCode !== undefined) return `exit ${exitCode}: ${lastLine(stderr)}`
  return signal === undefined ? `it cannot be run: ${originalMessage}` : `ended by ${signal}`
}

function lastLine(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().trim().split('\n').at(-1)?.slice(0, 300) ?? ''
}
