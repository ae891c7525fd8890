import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

const setting = 'limits.http_max_conns_per_client'
/** The fraction of the limit from which to warn: each guard and each handler needs a further connection. */
const near = 0.9
const half = 0.5

/** The agent closes each connection above its limit, also a guard's: then no lease is renewed. */
export function connections({ agent, connections, installed }: Facts): Finding {
  if ('unknown' in agent || agent.mostConnections === null) {
    return warn(`${setting} is not known`, 'set it to 1000, as consul.d/watchbill.json does')
  }
  const limit = agent.mostConnections
  if (limit === 0) return ok(`${setting} is off`)
  const watches = installed.reduce((sum, one) => sum + one.watches, 0)
  const used = Math.max(connections ?? 0, watches)
  const sentence = `${used} of ${limit} connections to the agent are in use here, ${watches} of them by watches`
  if (used > limit * near)
    return unsafe(sentence, `raise ${setting}, or no guard gets through: every process is stopped`)
  return used > limit * half ? warn(sentence, `raise ${setting}`) : ok(sentence)
}
