/** The token that an instance's programs use: who can read its file, and which permissions it has. */
import { statSync } from 'node:fs'
import { reason } from '../../../base/errors.ts'
import { keysOf, partsOf } from '../../../base/names.ts'
import { type Question, refusedOf, wordsOf } from '../../../consul/access.ts'
import { Consul } from '../../../consul/http.ts'
import type { TokenFacts } from '../facts.ts'

/** The environment that the programs inherit from the agent. */
export type Speak = Readonly<Record<string, string | undefined>>

/** @param options the programs' own, from the file that configure wrote */
export async function tokenFacts(
  speak: Speak,
  service: string,
  instance: string,
  options: Readonly<Record<string, string>>,
): Promise<TokenFacts> {
  const file = options['token-file'] ?? speak.CONSUL_HTTP_TOKEN_FILE ?? null
  const found = file === null ? undefined : statSync(file, { throwIfNoEntry: false })
  const facts = { file, uid: found?.uid ?? null, mode: (found?.mode ?? 0) & 0o777 }
  try {
    return { ...facts, missing: await missing(environment(speak, options), service, instance), problem: null }
  } catch (error) {
    return { ...facts, missing: null, problem: reason(error) }
  }
}

function environment(speak: Speak, options: Readonly<Record<string, string>>): Speak {
  const { 'http-addr': address, 'token-file': file } = options
  return {
    ...speak,
    ...(address && { CONSUL_HTTP_ADDR: address }),
    ...(file && { CONSUL_HTTP_TOKEN: undefined, CONSUL_HTTP_TOKEN_FILE: file }),
  }
}

async function missing(env: Speak, service: string, instance: string): Promise<string[]> {
  const consul = new Consul({ env })
  try {
    return (await refusedOf(consul, needed(service, instance))).map(wordsOf)
  } finally {
    consul.close()
  }
}

/** The permissions that consul.d/acl-policy.hcl gives. */
function needed(service: string, instance: string): Question[] {
  const { partitions, locks, members, spec, reports, tellings, root } = keysOf(service)
  const { node } = partsOf(instance)
  return [
    ...[partitions, locks, members, spec, reports, tellings, `${root}wake/`].map(
      of => ({ resource: 'key', access: 'write', of }) as const,
    ),
    { resource: 'service', access: 'write', of: service },
    { resource: 'node', access: 'read', of: node },
    { resource: 'session', access: 'write', of: node },
  ]
}
