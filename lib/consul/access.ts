/**
 * Asks Consul whether the token has a permission, where an empty answer does not tell. Consul silently omits from its
 * lists what a token may not read (seen on 1.8.7; X-Consul-Results-Filtered-By-ACLs exists from 1.11 on, and not for
 * every list). An unreadable list must never count as an empty one: every instance would stop its work.
 * An agent answers from its cache of the token's policies, for up to acl.policy_ttl (30 s).
 */
import { Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import type { Consul } from './http.ts'
import { Denied, permissionForOperation } from './permission.ts'

/** Consul takes 64 questions at once in every version, whatever its limit for a transaction. */
const mostQuestions = 64

export interface Question {
  readonly resource: 'key' | 'node' | 'service' | 'session' | 'agent'
  readonly access: 'read' | 'write'
  /** The name of the key, node, service … */
  readonly of: string
}

/** The permissions that the token lacks. None when ACLs are disabled. @throws Temporary when Consul does not say */
export async function refusedOf(consul: Consul, questions: readonly Question[]): Promise<Question[]> {
  const refused: Question[] = []
  for (let from = 0; from < questions.length; from += mostQuestions) {
    const some = questions.slice(from, from + mostQuestions)
    const path = '/v1/internal/acl/authorize' // there since 1.7
    const body = JSON.stringify(some.map(({ resource, access, of }) => ({ resource, access, Segment: of })))
    const answer = await consul.request('POST', path, { body, ok: [200, 401], repeatable: true })
    if (answer.status === 401 && /ACL support disabled/i.test(answer.text)) return []
    const said = parse<{ Allow?: unknown }[]>(path, answer.text)
    if (!Array.isArray(said) || said.length !== some.length || !said.every(one => typeof one?.Allow === 'boolean')) {
      throw new Temporary(`cannot ask what the token may do: the answer is not Consul's; it is tried again`)
    }
    refused.push(...some.filter((_, n) => said[n]?.Allow === false))
  }
  return refused
}

/** @throws Denied that names the first missing permission */
export async function mustHave(consul: Consul, act: string, questions: readonly Question[]): Promise<void> {
  const [missing] = await refusedOf(consul, questions)
  if (missing) throw new Denied(act, wordsOf(missing))
}

/** The permission in the same words as the other refusals. */
export function wordsOf({ resource, access, of }: Question): string {
  return resource === 'key'
    ? permissionForOperation({ Verb: access === 'read' ? 'get-tree' : 'set', Key: of })
    : `${resource}:${access} on ${of}`
}
