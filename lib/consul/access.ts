/**
 * Asking whether the token may, where an answer does not tell. Consul leaves out of its lists what a token may not read,
 * and answers as if there were nothing (seen on 1.8.7; X-Consul-Results-Filtered-By-ACLs comes with 1.11, and not from
 * every list). What looks empty must be known to be empty, or it would stop everybody's work.
 * An agent answers by what it remembers of the token, for up to acl.policy_ttl (30 s).
 */
import { Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import type { Consul } from './http.ts'
import { Denied, permissionForOperation } from './permission.ts'

/** Consul takes 64 questions at once, in every version, whatever it takes in a transaction. */
const mostQuestions = 64

export interface Question {
  readonly resource: 'key' | 'node' | 'service' | 'session' | 'agent'
  readonly access: 'read' | 'write'
  /** The key, or the name. */
  readonly of: string
}

/** What the token may not do of all this. Nothing where access is not controlled. @throws Temporary when Consul does not say */
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

/** @throws Denied that names the first permission that is missing */
export async function mustHave(consul: Consul, act: string, questions: readonly Question[]): Promise<void> {
  const [missing] = await refusedOf(consul, questions)
  if (missing) throw new Denied(act, wordsOf(missing))
}

/** As the other refusals name it. */
export function wordsOf({ resource, access, of }: Question): string {
  return resource === 'key'
    ? permissionForOperation({ Verb: access === 'read' ? 'get-tree' : 'set', Key: of })
    : `${resource}:${access} on ${of}`
}
