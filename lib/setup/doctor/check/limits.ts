import { seconds } from '../../../base/clock.ts'
import type { Facts } from '../facts.ts'
import { type Finding, warn } from '../finding.ts'

/** A watch waits up to 5 min for a change, and Consul adds a sixteenth. */
const longestWatch = 330_000

/** Agent settings that cut or refuse requests. Prints nothing when there are none. */
export function limits({ agent }: Facts): Finding[] {
  if ('unknown' in agent) return []
  const short = agent.httpTimeouts.filter(({ ms }) => ms > 0 && ms < longestWatch)
  const cut = short.map(({ name, ms }) =>
    warn(
      `${name} of http_config is ${seconds(ms)}: it cuts watches, which then pause for up to 180 s`,
      `set it to at least ${longestWatch / 1000}s, or leave it out`,
    ),
  )
  const refused = agent.enforcesLimits
    ? [
        warn(
          'limits.request_limits are enforced: a guard whose requests are refused for a lease stops its processes',
          'see that the rates are far above what all agents ask for, or set the mode to permissive',
        ),
      ]
    : []
  return [...cut, ...refused]
}
