/** What the programs for people share: where Consul is, and a connection that is closed at the end. */
import { Consul } from './consul/http.ts'
import { Permanent } from './errors.ts'
import { debugLine } from './frame.ts'
import { knownServices } from './status.ts'

export const serviceArg = {
  service: { type: 'positional', description: 'the Consul service name', required: true },
} as const

export const jsonArg = { json: { type: 'boolean', description: 'print JSON' } } as const

export const consulArgs = {
  'http-addr': { type: 'string', description: 'where Consul is (default $CONSUL_HTTP_ADDR or 127.0.0.1:8500)' },
} as const

/** Runs `work` with a connection. */
export async function withConsul<T>(
  args: { readonly 'http-addr'?: string | undefined },
  work: (consul: Consul) => Promise<T>,
): Promise<T> {
  if (args['http-addr']) process.env.CONSUL_HTTP_ADDR = args['http-addr']
  const consul = new Consul({ debug: debugLine })
  try {
    return await work(consul)
  } finally {
    consul.close()
  }
}

/** @throws Permanent when watchbill keeps no such service: a typing mistake must not look like "nothing runs". */
export async function mustKnow(consul: Consul, service: string): Promise<void> {
  const services = await knownServices(consul)
  if (services.includes(service)) return
  const there = services.length > 0 ? `there are ${services.join(', ')}` : 'there is none yet'
  throw new Permanent(`cannot find the service ${service}: watchbill keeps no such service; ${there}`)
}
