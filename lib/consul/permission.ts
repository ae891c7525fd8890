/**
 * The permission that a request to Consul needs, in the words of Consul's ACL rules. Consul's 403 does not name it
 * before 1.12 (seen on 1.8.7: "Permission denied"), and never says what to write into the policy.
 */
import { Permanent } from '../base/errors.ts'
import type { Operation } from './operation.ts'

/** Consul's 403: the token lacks a permission, or Consul does not know the token. */
export class Refused extends Permanent {
  readonly refused = true
}

/** Tested by a property, not by instanceof: the bundles of a release may hold the class twice. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'refused' in error
}

/** The token lacks a permission. An instance keeps running on its lease: a refusal says nothing about any lock. */
export class Denied extends Refused {
  /** Such as `key_prefix "watchbill/work/lock/" write`. */
  readonly missing: string

  /** @param act the refused request, such as `GET /v1/agent/self` */
  constructor(act: string, missing: string) {
    super(`cannot ${act}: missing permission: ${missing}; give it to the token, see consul.d/acl-policy.hcl`)
    this.missing = missing
  }
}

/** The missing permission that an error names; null for any other error. */
export function missingPermission(error: unknown): string | null {
  return error instanceof Error && 'missing' in error ? String(error.missing) : null
}

/**
 * The permission that a refused request needs.
 * @param path with its query
 * @param on the node or service of the request, when the path does not name it
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
      // A node, or a service on a node.
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

/**
 * The rule for a policy: for all locks rather than for one, and without the suffix of keys that only test a permission
 * (kv.ts).
 */
function keyRule(key: string, access: string): string {
  const [prefix] = /^watchbill\/[^/]*\/[^/]*\//.exec(key) ?? [key.replace(/~$/, '')]
  return `key_prefix "${prefix}" ${access}`
}

function named(resource: string, access: string, name: string | undefined): string {
  return `${resource}:${access} on ${name}`
}
