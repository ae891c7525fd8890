/** What the programs for people share: where Consul is, and a connection that is closed at the end. */
import { Consul } from './consul/http.ts'
import { keysBelow } from './consul/kv.ts'
import { Permanent } from './errors.ts'
import { debugLine } from './frame.ts'
import { takeToken } from './instance-args.ts'
import { keysOf } from './names.ts'
import { knownServices } from './status.ts'

export const serviceArg = {
  service: { type: 'positional', description: 'the Consul service name', required: true },
} as const

export const jsonArg = { json: { type: 'boolean', description: 'print JSON' } } as const

export const consulArgs = {
  'http-addr': { type: 'string', description: 'where Consul is (default $CONSUL_HTTP_ADDR or 127.0.0.1:8500)' },
  'token-file': { type: 'string', description: 'a file with the Consul token (default $CONSUL_HTTP_TOKEN_FILE)' },
} as const

/** Runs `work` with a connection. */
export async function withConsul<T>(
  args: { readonly 'http-addr'?: string | undefined; readonly 'token-file'?: string | undefined },
  work: (consul: Consul) => Promise<T>,
): Promise<T> {
  if (args['http-addr']) process.env.CONSUL_HTTP_ADDR = args['http-addr']
  if (args['token-file']) takeToken(args['token-file'])
  const consul = new Consul({ debug: debugLine })
  try {
    return await work(consul)
  } finally {
    consul.close()
  }
}

/** @throws Permanent when watchbill keeps no such service: a typing mistake must not look like "nothing runs". */
export async function mustKnow(consul: Consul, service: string): Promise<void> {
  if ((await keysBelow(consul, keysOf(service).root)).length > 0) return
  const services = await knownServices(consul)
  const there = services.length > 0 ? `there are ${services.join(', ')}` : 'there is none yet'
  throw new Permanent(`cannot find the service ${service}: watchbill keeps no such service; ${there}`)
}
