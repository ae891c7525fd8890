import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** Transactions with check-not-exists, and the handlers' environment, are as this program knows them since 1.7. */
export function consulVersion({ agent }: Facts): Finding {
  if ('unknown' in agent)
    return warn(`Consul's version is not known: ${agent.unknown}`, 'start the agent, or see --http-addr')
  const [major = 0, minor = 0] = agent.version.split('.').map(Number)
  const enough = major > 1 || (major === 1 && minor >= 7)
  return enough
    ? ok(`Consul ${agent.version}`)
    : unsafe(`Consul is ${agent.version || 'of no known version'}`, 'use 1.7 or later')
}
