import { seconds } from '../../../base/clock.ts'
import type { AgentFacts, Facts, Installed } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** How long a client may take to find another server, after gossip has noticed that the old one is gone, ms. */
const search = 4000

/**
 * How long the clients of a server that is cut off may get no answer, ms: a probe, the suspicion, and the search for
 * another server. Measured on 1.8.7: up to 9.1 s by default, 5.8 s with fast-failover.json; this says 9 and 6.
 */
function silence({ probeMs, suspicion }: NonNullable<AgentFacts['gossip']>): number {
  return probeMs * (1 + suspicion) + search
}

/** What it needs of each instance, so that it can be asked about a definition that is not installed. */
export interface Timed extends Pick<Facts, 'agent'> {
  readonly installed: readonly Pick<Installed, 'id' | 'leaseMs' | 'guardIntervalMs'>[]
}

export function timing({ agent, installed }: Timed): Finding[] {
  return installed.flatMap(({ id, leaseMs, guardIntervalMs }) => {
    if (leaseMs === null || guardIntervalMs === null) return []
    const least = 2 * guardIntervalMs + 1500
    if (leaseMs < least) {
      const why = `the lease of ${id}, ${seconds(leaseMs)}, is shorter than two guard intervals and 1.5 s`
      return unsafe(why, `give "lease" at least ${seconds(least)}, then run configure`)
    }
    if ('unknown' in agent || agent.gossip === null) {
      return warn(`whether the lease of ${id} fits the gossip is not known`, 'start the agent, or see --http-addr')
    }
    const quiet = silence(agent.gossip)
    if (leaseMs >= quiet)
      return ok(`the lease of ${id}, ${seconds(leaseMs)}, outlasts the loss of a server, ${seconds(quiet)}`)
    return warn(
      `the lease of ${id}, ${seconds(leaseMs)}, is shorter than the loss of a server may last, ${seconds(quiet)}: its processes would restart`,
      `give "lease" at least ${seconds(quiet)}, or every agent the gossip of consul.d/fast-failover.json`,
    )
  })
}
