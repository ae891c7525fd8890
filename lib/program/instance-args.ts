/** The arguments of the programs that act for one instance, as `configure` writes them into consul.d. */

import { Permanent } from '../base/errors.ts'
import { partsOf } from '../base/names.ts'
import { type InstanceFiles, instanceFiles, stateRoot } from '../state/paths.ts'
import type { Self } from '../state/self.ts'

export const instanceArgs = {
  instance: { type: 'string', description: 'the instance, <node>:<service id>', required: true },
  service: { type: 'string', description: 'the Consul service name', required: true },
  definition: { type: 'string', description: 'the definition file', required: true },
  state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
  'http-addr': { type: 'string', description: 'where Consul is (default $CONSUL_HTTP_ADDR or 127.0.0.1:8500)' },
  variables: { type: 'string', description: 'what the definition takes from the environment: NAME=value,…' },
  'token-file': { type: 'string', description: 'a file with the Consul token (default $CONSUL_HTTP_TOKEN_FILE)' },
} as const

export const dryRunArg = {
  'dry-run': { type: 'boolean', description: 'print the steps instead of acting' },
} as const

/** Of programs that the guard starts a little before they are due. */
export const afterArg = {
  after: { type: 'string', description: 'wait so many ms first', default: '0' },
} as const

/** @throws Permanent for what is no number of ms */
export async function waitFirst(after: string): Promise<void> {
  if (!/^\d{1,5}$/.test(after)) throw new Permanent('cannot read the arguments: --after is not a number of ms')
  // Loaded by every program, and needed by few.
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

/** Whose program this is. Consul's own environment variables are set from the arguments that stand for them. */
export function thisInstance(args: InstanceArgs): Self {
  reachConsul(args['http-addr'], args['token-file'])
  if (args.variables) process.env.WATCHBILL_VARIABLES = args.variables
  const { instance, service } = args
  return {
    ...partsOf(instance),
    instance,
    service,
    definitionFile: args.definition,
    files: filesOf(instance, args.state),
  }
}

/** What was given goes before what the environment holds: the agent's own token may be another. */
export function reachConsul(address: string | undefined, tokenFile: string | undefined): void {
  if (address) process.env.CONSUL_HTTP_ADDR = address
  if (!tokenFile) return
  process.env.CONSUL_HTTP_TOKEN_FILE = tokenFile
  delete process.env.CONSUL_HTTP_TOKEN
}

function filesOf(instance: string, state: string | undefined): InstanceFiles {
  return instanceFiles(state || stateRoot(), instance)
}
