/** The arguments of the programs that act for one instance, as `configure` writes them into consul.d. */

import { basename } from 'node:path'
import { askedSoFar } from '../base/asked.ts'
import { sinceStart } from '../base/clock.ts'
import { Permanent } from '../base/errors.ts'
import { partsOf } from '../base/names.ts'
import { note } from '../state/figures/notes.ts'
import { type InstanceFiles, instanceFiles, stateRoot } from '../state/paths.ts'
import type { Self } from '../state/self.ts'

export const instanceArgs = {
  instance: { type: 'string', description: 'the instance, <node>:<service id>', required: true },
  service: { type: 'string', description: 'the Consul service name', required: true },
  definition: { type: 'string', description: 'the definition file', required: true },
  state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
  'http-addr': { type: 'string', description: "Consul's HTTP address (default $CONSUL_HTTP_ADDR or 127.0.0.1:8500)" },
  variables: { type: 'string', description: 'environment variables that the definition uses: NAME=value,…' },
  'token-file': { type: 'string', description: 'a file with the Consul token (default $CONSUL_HTTP_TOKEN_FILE)' },
} as const

export const dryRunArg = {
  'dry-run': { type: 'boolean', description: 'print the steps instead of acting' },
} as const

/** For programs that the guard starts a little before they are due. */
export const afterArg = {
  after: { type: 'string', description: 'wait this many ms first', default: '0' },
} as const

/** Waits the ms of `--after`. @throws Permanent when it is not a number of ms */
export async function waitFirst(after: string): Promise<void> {
  if (!/^\d{1,5}$/.test(after)) throw new Permanent('cannot read the arguments: --after is not a number of ms')
  // Loaded here: every program imports this file, and few wait.
  const { setTimeout } = process.getBuiltinModule('node:timers/promises')
  if (after !== '0') await setTimeout(Number(after))
}

export interface InstanceArgs {
  readonly instance: string
  readonly service: string
  readonly definition: string
  readonly state?: string | undefined
  readonly 'http-addr'?: string | undefined
  readonly 'token-file'?: string | undefined
  readonly variables?: string | undefined
}

/** The instance that the program acts for. Also sets Consul's environment variables from the arguments. */
export function thisInstance(args: InstanceArgs): Self {
  reachConsul(args['http-addr'], args['token-file'])
  if (args.variables) process.env.WATCHBILL_VARIABLES = args.variables
  const files = filesOf(args.instance, args.state)
  process.once('exit', () => noteRun(files))
  const { instance, service } = args
  return {
    ...partsOf(instance),
    instance,
    service,
    definitionFile: args.definition,
    files,
  }
}

/** Arguments win over the environment: the agent that started this program may have another token there. */
export function reachConsul(address: string | undefined, tokenFile: string | undefined): void {
  if (address) process.env.CONSUL_HTTP_ADDR = address
  if (!tokenFile) return
  process.env.CONSUL_HTTP_TOKEN_FILE = tokenFile
  delete process.env.CONSUL_HTTP_TOKEN
}

/** What this run took, for the figures. The guard's own tick has a row of its own. */
function noteRun(files: InstanceFiles): void {
  const program = basename(process.argv[1] ?? '').replace(/\.\w+$/, '')
  if (program === 'guard') return
  const { user, system } = process.cpuUsage()
  const asked = askedSoFar()
  const numbers = [sinceStart(), (user + system) / 1000, asked.requests, asked.bytes]
  note(files, [program, ...numbers.map(Math.round)].join(' '))
}

function filesOf(instance: string, state: string | undefined): InstanceFiles {
  return instanceFiles(state || stateRoot(), instance)
}
