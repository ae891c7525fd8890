/** Arguments for the programs: Consul runs them with the agent's environment, not with the one that configure runs in. */
import { resolve } from 'node:path'
import { addressFrom } from '../../consul/address.ts'
import { defaultState } from '../../state/paths.ts'

const defaultAddress = '127.0.0.1:8500'

type Environment = Readonly<Record<string, string | undefined>>

export interface Given {
  readonly state?: string | undefined
  readonly address?: string | undefined
  readonly tokenFile?: string | undefined
}

/** Arguments for every program that the agent runs: given to configure, or set in our environment and not the default. */
export function passedOn(given: Given, env: Environment): string[] {
  const state = given.state || env.WATCHBILL_STATE
  const address = given.address || env.CONSUL_HTTP_ADDR
  const token = given.tokenFile || env.CONSUL_HTTP_TOKEN_FILE
  return [
    ...(state && resolve(state) !== defaultState ? ['--state', resolve(state)] : []),
    ...(address && address !== defaultAddress ? ['--http-addr', originOf(address)] : []),
    ...(token ? ['--token-file', resolve(token)] : []),
  ]
}

/** Every user can read the agent's arguments and files. @throws Permanent for an address with more than the origin */
function originOf(address: string): string {
  const { origin } = addressFrom({ CONSUL_HTTP_ADDR: address })
  // Without a scheme CONSUL_HTTP_SSL in the agent's environment decides.
  return /^https?:/.test(address) ? origin : address.replace(/\/$/, '')
}

/** Variables that have no argument. A token is never written into Consul's configuration. */
const silent = [
  'WATCHBILL_LIMITS',
  'CONSUL_HTTP_TOKEN',
  'CONSUL_HTTP_AUTH',
  'CONSUL_HTTP_SSL',
  'CONSUL_HTTP_SSL_VERIFY',
  'CONSUL_CACERT',
  'CONSUL_CLIENT_CERT',
  'CONSUL_CLIENT_KEY',
  'CONSUL_TLS_SERVER_NAME',
]

/** The variables of our environment that the agent's environment must have too. */
export function notPassedOn(env: Environment): string[] {
  return silent.filter(name => env[name])
}
