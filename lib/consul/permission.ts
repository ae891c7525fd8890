/**
 * Which permission a request to Consul needs, in Consul's own words. Its 403 does not say before 1.12 (seen on 1.8.7:
 * "Permission denied"), and it never says what to write into the policy.
 */
import { Permanent } from '../base/errors.ts'
import type { Operation } from './operation.ts'

/** Consul's 403: the token lacks something, or is not known. */
export class Refused extends Permanent {
  readonly refused = true
}

/** By what it has: the programs of a release are bundled, and a class may be there twice. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'refused' in error
}

/** The token lacks a permission. Whoever holds a lease goes on by it: a refusal is no statement about any lock. */
export class Denied extends Refused {
  /** Such as `key_prefix "watchbill/work/lock/" write`. */
  readonly missing: string

  /** @param act what cannot be done, such as `GET /v1/agent/self` */
  constructor(act: string, missing: string) {
    super(`cannot ${act}: missing permission: ${missing}; give it to the token, see consul.d/acl-policy.hcl`)
    this.missing = missing
  }
}

/** What is missing, if an error says so; null when it is about something else. */
export function missingPermission(error: unknown): string | null {
  return error instanceof Error && 'missing' in error ? String(error.missing) : null
}

/**
 * The permission that a refused request needs.
 * @param path with its query
 * @param on the node or service that it is about, where the path does not tell
 */
export function permissionFor(method: string, path: string, on = ''): string {
  const [route = '', query = ''] = path.split('?')
  const [kind, act, noun, name = ''] = route
    .replace(/^\/v1\//, '')
    .split('/')
    .map(decodeURIComponent)
  const changes = method === 'GET' ? 'read' : 'write'
  switch (kind) {
    case 'kv':
      return keyRule(decodeURIComponent(route.slice('/v1/kv/'.length)), changes)
    case 'session':
      return named('session', changes, (act === 'node' && noun) || on || 'the node of the session')
    case 'health':
      return act === 'node' ? named('node', 'read', noun) : named('service', 'read', noun)
    case 'catalog':
      // Either of a node, or of a service on it.
      return on.startsWith('node ')
        ? named('node', changes, on.slice('node '.length))
        : named('service', changes, on || 'the service')
    case 'agent':
      if (act === 'force-leave') return 'operator:write'
      if (act === 'service') return named('service', changes, on || name)
      return named('agent', changes, on || 'this node')
    default:
      return `${method} ${route}${query && '?'}${query}`
  }
}

/** The permission that a refused operation of a transaction needs. */
export function permissionForOperation({ Verb, Key }: Pick<Operation, 'Verb' | 'Key'>): string {
  const reads = /^(get|get-tree|check-index|check-session)$/.test(Verb) // check-not-exists writes
  return keyRule(Key, reads ? 'read' : 'write')
}

/** The rule that a policy would hold: not of one lock, but of all of them; and not of a key that only asks (kv.ts). */
function keyRule(key: string, access: string): string {
  const [prefix] = /^watchbill\/[^/]*\/[^/]*\//.exec(key) ?? [key.replace(/~$/, '')]
  return `key_prefix "${prefix}" ${access}`
}

function named(resource: string, access: string, name: string | undefined): string {
  return `${resource}:${access} on ${name}`
}
