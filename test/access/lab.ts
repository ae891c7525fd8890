/** A lab in which nothing is allowed that no policy allows, and the policies that operators are to use. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Agent, ClusterOptions } from '../lab/cluster.ts'
import { until } from '../lab/until.ts'

const secret = (digit: string) => [8, 4, 4, 4, 12].map(length => digit.repeat(length)).join('-')
/** What may everything, and what the agents use by themselves: to register services and to run watches. */
const management = secret('1')
const agents = secret('2')

/** Options for a cluster under default deny, and the lab's own way into it. */
export function guarded(options: ClusterOptions = {}): ClusterOptions {
  const acl = {
    enabled: true,
    default_policy: 'deny',
    // A change counts at once: by default it is remembered for 30 s.
    token_ttl: '10ms',
    policy_ttl: '10ms',
    tokens: { master: management, agent: management, default: agents },
  }
  return { ...options, settings: { ...options.settings, acl }, token: management }
}

export type Role = 'policy' | 'operator' | 'read-only'

/** A policy of consul.d, as an operator makes it that of a service. */
export function rulesFor(role: Role, service: string): string {
  const file = role === 'policy' ? 'acl-policy.hcl' : `acl-${role}.hcl`
  return readFileSync(join(import.meta.dirname, '../../consul.d', file), 'utf8').replaceAll('SERVICE', service)
}

/** The same without one of its rules. @throws Error when it has no such rule */
export function without(rules: string, start: string): string {
  const blocks = rules.match(/^(?:\w+ "[^"]*" \{[^}]*\}|\w+ = "\w+")$/gm) ?? []
  // Rules of their own, without which only checks, figures, health, events, schedulers or power-offs are missing.
  const isExtra = (block: string) => /-partition"|\/\.(figures|health|events|scheduler|power)\//.test(block)
  const left = blocks.filter(block => !block.startsWith(start) || isExtra(block))
  if (left.length !== blocks.length - 1) throw new Error(`not one rule starts with ${start} in ${rules}`)
  return left.join('\n')
}

/** A rule for what is below one of a service's keys, closer than the policy's own. */
export function keyRule(service: string, part: string, policy: 'read' | 'deny'): string {
  return `\nkey_prefix "watchbill/${service}/${part}/" { policy = "${policy}" }\n`
}

/** Lets the agents' own token register these services, and watch for them. */
export async function letAgents(agent: Agent, services: readonly string[]): Promise<void> {
  await allow(agent, agents, services.map(service => rulesFor('policy', service)).join('\n'))
}

/** Makes a token with this secret, or changes what it may. */
async function allow(agent: Agent, id: string, rules: string): Promise<void> {
  const Name = `of-${id}`
  const policies = await until('the policies', () =>
    agent.api<{ ID: string; Name: string }[]>('GET', '/v1/acl/policies'),
  )
  const known = policies.find(policy => policy.Name === Name)?.ID
  await agent.api('PUT', `/v1/acl/policy${known ? `/${known}` : ''}`, { ID: known, Name, Rules: distinct(rules) })
  if (!known) await agent.api('PUT', '/v1/acl/token', { SecretID: id, Policies: [{ Name }] })
}

/** Consul wants each rule once. */
function distinct(rules: string): string {
  const blocks = rules.match(/^(?:\w+ "[^"]*" \{[^}]*\}|\w+ = "\w+")$/gm) ?? []
  return [...new Map(blocks.map(block => [block.split('{')[0], block])).values()].join('\n')
}

export interface Token {
  readonly file: string
  readonly secret: string
  /** Changes what it may. */
  readonly may: (rules: string) => Promise<void>
}

let count = 0

/** A token that may what these rules say, in a file that only its owner can read. */
export async function tokenFor(agent: Agent, rules: string, secret: string = crypto.randomUUID()): Promise<Token> {
  const file = join(agent.folder, `token-${++count}`)
  writeFileSync(file, `${secret}\n`, { mode: 0o600 })
  const may = (rules: string) => allow(agent, secret, rules)
  await may(rules)
  return { file, secret, may }
}
