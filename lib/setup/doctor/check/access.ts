import type { Facts } from '../facts.ts'
import { type Finding, ok, warn } from '../finding.ts'
import { checksKeys } from './version.ts'

export function accessControl({ agent }: Facts): Finding {
  const todo = 'see docs/access.md'
  if ('unknown' in agent || agent.acl === null) return warn('whether access is controlled is not known', todo)
  const who = 'whoever reaches the HTTP port of any agent can move and stop partitions'
  const scripts = checksKeys(agent.version) && agent.localScripts ? '; Consul warns of script checks without it' : ''
  if (!agent.acl.enabled) return warn(`access is not controlled: ${who}${scripts}`, todo)
  if (agent.acl.policy !== 'deny')
    return warn(`what no policy forbids is allowed: ${who}`, 'set acl.default_policy to deny')
  return ok('what no policy allows is denied')
}
