/** Where Consul is and how to speak to it: Consul's own environment variables. */
import { readFileSync } from 'node:fs'
import { Permanent, reason } from '../base/errors.ts'

export interface Address {
  /** `http://host:port` or `https://host:port`; for a unix socket `http://localhost`. */
  readonly origin: string
  readonly socketPath: string | null
  /** Never printed: it goes into the X-Consul-Token header and nowhere else. */
  readonly token: string | null
  /** CONSUL_HTTP_AUTH as the Authorization header has it; never printed either. */
  readonly auth: string | null
  readonly tls: Readonly<Record<string, unknown>>
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads CONSUL_HTTP_ADDR, _AUTH, _SSL, _TOKEN, _TOKEN_FILE, CONSUL_CACERT, _CLIENT_CERT, _CLIENT_KEY, _TLS_SERVER_NAME.
 * @throws Permanent when a file that they name cannot be read, when the address is invalid, or when it holds more than
 * the origin: ignoring the rest could ask another Consul.
 */
export function addressFrom(env: Environment): Address {
  const address = env.CONSUL_HTTP_ADDR || '127.0.0.1:8500'
  const secrets = { token: tokenFrom(env), auth: authFrom(env), tls: tlsFrom(env) }
  if (address.startsWith('unix://')) return { origin: 'http://localhost', socketPath: address.slice(7), ...secrets }
  const ssl = /^(1|t|true)$/i.test(env.CONSUL_HTTP_SSL ?? '')
  const url = address.includes('://') ? address : `${ssl ? 'https' : 'http'}://${address}`
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new Permanent(
      `cannot use CONSUL_HTTP_ADDR ${JSON.stringify(shown(address))}: it is not an address; give host:port, an http(s):// URL or unix:///path`,
    )
  }
  const { origin } = onlyOrigin(new URL(url))
  return { origin, socketPath: null, ...secrets }
}

function onlyOrigin(url: URL): URL {
  const { origin, username, password, pathname, search, hash } = url
  const refused = (why: string, todo: string) => new Permanent(`cannot use CONSUL_HTTP_ADDR ${origin}: ${why}; ${todo}`)
  const alone = `give ${origin} alone`
  if (username || password) {
    const todo = `put them into CONSUL_HTTP_AUTH, as user:password, and ${alone}`
    throw refused('it holds a user or a password, which others could read in arguments and files', todo)
  }
  if (pathname !== '/') throw refused('it holds a path, and watchbill only uses the root path', alone)
  if (search) throw refused("it holds a query, and watchbill only uses the agent's own datacenter", alone)
  if (hash) throw refused('it holds a fragment, which HTTP never sends to a server', alone)
  return url
}

/** In the form that Consul's own command line sends. */
function authFrom({ CONSUL_HTTP_AUTH: auth }: Environment): string | null {
  if (!auth) return null
  return `Basic ${Buffer.from(auth.includes(':') ? auth : `${auth}:`).toString('base64')}`
}

/** @throws Permanent for a text that cannot be a token: without a token Consul would answer as if there were no data */
function tokenFrom(env: Environment): string | null {
  if (!env.CONSUL_HTTP_TOKEN && !env.CONSUL_HTTP_TOKEN_FILE) return null
  const token = env.CONSUL_HTTP_TOKEN || secret(env, 'CONSUL_HTTP_TOKEN_FILE')
  if (/^[\x21-\x7e]+$/.test(token)) return token
  const where = env.CONSUL_HTTP_TOKEN ? 'CONSUL_HTTP_TOKEN' : env.CONSUL_HTTP_TOKEN_FILE
  throw new Permanent(
    `cannot use the token in ${where}: it is empty, or more than one word; write the token alone into it`,
  )
}

/** The address without what nobody else should read: a password, or Consul's ?token=. */
function shown(address: string): string {
  return address.replace(/\/\/.*@/, '//').replace(/\?.*/, '')
}

function tlsFrom(env: Environment): Record<string, unknown> {
  const tls: Record<string, unknown> = {}
  if (env.CONSUL_CACERT) tls.ca = secret(env, 'CONSUL_CACERT')
  if (env.CONSUL_CLIENT_CERT) tls.cert = secret(env, 'CONSUL_CLIENT_CERT')
  if (env.CONSUL_CLIENT_KEY) tls.key = secret(env, 'CONSUL_CLIENT_KEY')
  if (env.CONSUL_TLS_SERVER_NAME) tls.servername = env.CONSUL_TLS_SERVER_NAME
  if (/^(0|f|false)$/i.test(env.CONSUL_HTTP_SSL_VERIFY ?? '')) tls.rejectUnauthorized = false
  return tls
}

function secret(env: Environment, variable: string): string {
  const file = env[variable] as string
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new Permanent(`cannot read ${file}, named by ${variable}: ${reason(error)}; make it readable for this user`)
  }
}
